"""Traces to conversations: a chat becomes a row, the rest is counted, the file is named by its content."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quantgate.calibration.drift.rows import DriftRow, traffic_rows
from quantgate.flows.build.corpora.traces import ExportRecord, experiment_named, export_traces
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.sealed import read_manifest
from quantgate.registry import Tracking
from quantgate.registry.traces.conversations import Span, Trace, TraceTally, export_rows
from quantgate.registry.traces.messages import conversation

USER: JsonValue = {"role": "user", "content": "where is it"}
ANSWER: JsonValue = {"role": "assistant", "content": "there"}
COMPLETION: JsonValue = {"choices": [{"message": ANSWER, "finish_reason": "stop"}]}
CALL: JsonValue = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@dataclass(frozen=True, slots=True)
class FakeTraces:
    """A `TraceSource` in memory. `lost` traces cannot be read."""

    held: tuple[Trace, ...]
    lost: int = 0

    def traces(self, experiment: str) -> Iterator[Trace]:
        yield from self.held

    def trace_count(self, experiment: str) -> int:
        return len(self.held) + self.lost


def _trace(*spans: Span, number: int = 1, session: str = "", succeeded: bool = True) -> Trace:
    return Trace(id=f"tr-{number}", session=session, succeeded=succeeded, spans=spans)


def _call(inputs: JsonValue, outputs: JsonValue = COMPLETION, *, type: str = "CHAT_MODEL") -> Span:
    return Span(type=type, is_root=False, inputs=inputs, outputs=outputs)


def _said(*contents: str) -> JsonValue:
    roles = ("user", "assistant")
    return {
        "messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(contents)]
    }


def _exported(
    folder: Path, *traces: Trace, lost: int = 0
) -> tuple[TraceTally, list[dict[str, object]]]:
    path = folder / "rows.jsonl"
    tally = export_rows(FakeTraces(traces, lost), "chat", path)
    return tally, [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ({"messages": [USER]}, COMPLETION, [USER, ANSWER]),
        ({"messages": [USER]}, "there", [USER, ANSWER]),
        ({"messages": [USER]}, None, [USER]),
        ([USER], ANSWER, [USER, ANSWER]),
        (
            {"system": "be kind", "messages": [USER]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": "there"}],
            },
            [{"role": "system", "content": "be kind"}, USER, ANSWER],
        ),
        (
            {"input": "where is it", "instructions": "be kind"},
            {
                "object": "response",
                "output": [
                    {"type": "reasoning", "summary": []},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "there"}],
                    },
                ],
            },
            [{"role": "system", "content": "be kind"}, USER, ANSWER],
        ),
        (
            [[{"type": "human", "content": "where is it"}]],
            {"generations": [[{"text": "there", "message": {"type": "ai", "content": "there"}}]]},
            [USER, ANSWER],
        ),
        (
            {"messages": [USER]},
            {
                "choices": [
                    {"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}
                ]
            },
            [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}],
        ),
    ],
    ids=[
        "openai",
        "plain answer",
        "no answer",
        "list",
        "anthropic",
        "responses",
        "langchain",
        "tool call",
    ],
)
def test_every_librarys_calls_become_openais_messages(
    inputs: JsonValue, outputs: JsonValue, said: list[JsonValue]
) -> None:
    assert conversation(inputs, outputs) == {"messages": said}


def test_tools_on_offer_are_kept() -> None:
    tools: JsonValue = [{"type": "function", "function": {"name": "f"}}]
    found = conversation({"messages": [USER], "tools": tools}, COMPLETION)
    assert found is not None
    assert found["tools"] == tools


@pytest.mark.parametrize(
    "inputs",
    [
        {"query": "rows of a table"},
        {"messages": []},
        {"messages": [ANSWER]},
        {"messages": "hello"},
        {"messages": [1, 2]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        [3, 4],
        "text",
        None,
    ],
)
def test_what_is_no_chat_is_none(inputs: JsonValue) -> None:
    assert conversation(inputs, COMPLETION) is None


def test_model_calls_are_rows_and_the_root_where_there_are_none(tmp_path: Path) -> None:
    root = Span(type="CHAIN", is_root=True, inputs=_said("from the root"), outputs="x")
    tally, rows = _exported(
        tmp_path,
        _trace(root, _call(_said("one")), _call(_said("two"), type="LLM"), number=1),
        _trace(root, _call({"query": "sql"}, type="RETRIEVER"), number=2),
    )
    assert [(row["id"], row["messages"][0]["content"]) for row in rows] == [  # type: ignore[index]
        ("tr-1", "one"),
        ("tr-1:1", "two"),
        ("tr-2", "from the root"),
    ]
    assert (tally.traces, tally.rows) == (2, 3)


def test_an_embedding_is_no_chat_though_its_input_is_a_text(tmp_path: Path) -> None:
    root = Span(type="EMBEDDING", is_root=True, inputs={"input": "a text"}, outputs=[0.5])
    tally, rows = _exported(tmp_path, _trace(root), _trace(replace(root, type="AGENT"), number=2))
    assert [row["id"] for row in rows] == ["tr-2"]
    assert tally.no_chat == 1


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    tally, rows = _exported(
        tmp_path,
        _trace(_call(_said("good")), number=1),
        _trace(_call(_said("bad")), number=2, succeeded=False),
        _trace(_call({"query": "sql"}), number=3),
        lost=2,
    )
    assert len(rows) == 1
    assert tally == TraceTally(traces=5, rows=1, failed=1, no_chat=1, unreadable=2, continued=0)


def test_of_a_conversation_only_the_longest_call_is_a_row(tmp_path: Path) -> None:
    first, second = _said("one"), _said("one", "there", "two")
    apart = _said("one", "elsewhere", "two")  # the assistant had said something else
    tally, rows = _exported(
        tmp_path,
        _trace(_call(first), number=1, session="s"),
        _trace(_call(second), number=2, session="s"),
        _trace(_call(first), number=3, session="t"),
        _trace(_call(apart), number=4, session="t"),
        _trace(_call(first), _call(second), number=5),
    )
    assert [row["id"] for row in rows] == ["tr-2", "tr-3", "tr-4", "tr-5:1"]
    assert tally.continued == 2


def _settings(folder: Path) -> Settings:
    return Settings.from_environment({"QUANTGATE_STORE": str(folder / "store")})


def test_an_export_is_sealed_by_its_content_and_read_as_traffic(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    settings.store.root.mkdir()
    (settings.store.root / "mlflow.db").touch()
    source = FakeTraces((_trace(_call(_said("one"))), _trace(_call({"q": 1}), number=2)))

    def opened(_: Tracking) -> FakeTraces:
        return source

    path = export_traces("chat", settings, open_traces=opened)
    assert export_traces("chat", settings, open_traces=opened) == path
    record = read_manifest(path.parent, ExportRecord).record
    assert path.parent.name == record.digest[:16]
    assert (record.rows, record.no_chat) == (1, 1)
    assert list(traffic_rows(path)) == [DriftRow("tr-1", (("user", "one"), ("assistant", "there")))]
    source = replace(source, held=(_trace(_call(_said("two"))),))
    assert export_traces("chat", settings, open_traces=opened) != path
    assert not list((settings.store.root / "traffic").glob(".export-*"))


def test_an_altered_export_is_noticed(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    settings.store.root.mkdir()
    (settings.store.root / "mlflow.db").touch()
    source = FakeTraces((_trace(_call(_said("one"))),))
    path = export_traces("chat", settings, open_traces=lambda _: source)
    path.write_text(path.read_text().replace("one", "two"))
    with pytest.raises(InputError, match="altered"):
        export_traces("chat", settings, open_traces=lambda _: source)


def test_nothing_to_export_says_why(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with pytest.raises(NotFoundError, match="no registry here"):
        export_traces("chat", settings)
    settings.store.root.mkdir()
    (settings.store.root / "mlflow.db").touch()
    source = FakeTraces((_trace(_call({"q": 1})),))
    with pytest.raises(InputError, match="1 are no chat"):
        export_traces("chat", settings, open_traces=lambda _: source)


def test_only_mlflow_names_an_experiment() -> None:
    assert experiment_named("mlflow:support chat") == "support chat"
    assert experiment_named("logs/mlflow.jsonl") is None
