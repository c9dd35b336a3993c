"""Any file of any kind that people write is read, or refused in a sentence: never a traceback, never a hang.

Sound files are changed at random (`tests.support.mutations`), under a second a kind here and half a minute
a kind in `make slow`. A failure prints the seed that makes its file again.
"""

import contextlib
import json
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quantgate.calibration.sources.rows import RowReader
from quantgate.calibration.specs.corpus import Fields
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.flows.releases.watch_list import load_watch_list
from quantgate.pipelines.authoring.check import check_suite
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import GraderKind, GraderSpec
from quantgate.pipelines.evaluation.graders.protocol import ObservedGrader
from quantgate.pipelines.evaluation.graders.table import GRADERS, grader_for
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.specs.recipes import CATALOGUE, load_recipe
from quantgate.pipelines.suites.adjudications import load_adjudications
from quantgate.pipelines.suites.anchors import load_anchor
from tests.support import mutations
from tests.support.grading.items import expecting
from tests.support.limits.time_limits import _HangError, within
from tests.support.models.checkpoints import write_checkpoint
from tests.support.project import EXAMPLE, PROJECT
from tests.support.verdicts.judging import suite_of
from tests.unit.flows.cli.judging.test_judging import runs as judged_runs

SECONDS, SLOW_SECONDS = 0.7, 30.0
LONGEST_SECONDS = 10.0
"""One file may take no longer; a reader that waits for ever ends here."""

LONGEST_SENTENCE = 20_000
Read = Callable[[Path], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file: what it is called in its folder, a sound one, and what reads it.

    `beside` writes what has to lie in the folder with it.
    """

    name: str
    sound: bytes
    read: Read
    change: Callable[[random.Random], bytes]
    beside: Callable[[Path], object] = lambda folder: None


def yaml_kind(name: str, text: str, read: Read, **more: Any) -> Kind:
    def change(draw: random.Random) -> bytes:
        return mutations.any_text(text, draw, lambda d: mutations.mutated_yaml(text, d))

    return Kind(name=name, sound=text.encode(), read=read, change=change, **more)


def json_kind(name: str, document: Any, read: Read, **more: Any) -> Kind:
    text = json.dumps(document)

    def change(draw: random.Random) -> bytes:
        return mutations.any_text(text, draw, lambda d: mutations.mutated_json(document, d))

    return Kind(name=name, sound=text.encode(), read=read, change=change, **more)


def lines_kind(name: str, rows: list[Any], read: Read, **more: Any) -> Kind:
    text = "".join(json.dumps(row) + "\n" for row in rows)

    def by_structure(draw: random.Random) -> str:
        number = draw.randrange(len(rows))
        parts = [json.dumps(row) for row in rows]
        parts[number] = mutations.mutated_json(rows[number], draw)
        return "\n".join(parts) + "\n"

    def change(draw: random.Random) -> bytes:
        return mutations.any_text(text, draw, by_structure)

    return Kind(name=name, sound=text.encode(), read=read, change=change, **more)


def bytes_kind(name: str, content: bytes, read: Read, **more: Any) -> Kind:
    return Kind(
        name=name,
        sound=content,
        read=read,
        change=lambda draw: mutations.mutated_bytes(content, draw),
        **more,
    )


SUITE = (
    "name: demo\nversion: 1\ndescription: d\ngrader: {kind: exact}\n"
    "decode: {max_tokens: 8, temperature: 0.0, stop: [x], constrained: false}\n"
    "slices:\n  a: {description: b, critical: true}\n  b: {}\n"
    "items: {path: items.jsonl}\nlong_context: {lengths: [2k], depths: [0.5], take: 1}\n"
)
ITEM = {
    "id": "1",
    "messages": [
        {"role": "developer", "content": [{"type": "text", "text": "brief"}]},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": None, "reasoning_content": "t", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "4"},
    ],
    "expected": {"a": 1}, "slices": ["a", "b"], "group": "g", "critical": False,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
    "grader": {"kind": "json"}, "decode": {"max_tokens": 4},
}  # fmt: skip
PLAIN_ITEM = {"id": "2", "prompt": "2+2?", "expected": "4", "slices": ["a"]}
ADJUDICATION = {
    "item_id": "1", "item_sha256": "a" * 64, "answer_sha256": "b" * 64, "mark": "equivalent",
    "decided_by": "Ann", "decided_on": "2026-11-21", "note": "n",
}  # fmt: skip
ANCHOR = {
    "item_id": "1", "answer_digest": "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd",
    "answer": "A", "label": "right",
}  # fmt: skip
CHAT = {"id": 3, "messages": ITEM["messages"], "tools": ITEM["tools"], "language": "en"}
SHARED = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}
CSV = "id,prompt,expected,slices\n1,2+2?,4,a\n2,\"a, b\",5,b\n"  # fmt: skip


def suite_beside(folder: Path, suite: str = SUITE) -> None:
    (folder / "suite.yaml").write_text(suite)
    (folder / "items.jsonl").write_text(json.dumps(PLAIN_ITEM) + "\n")


def table_beside(folder: Path) -> None:
    suite_beside(folder, SUITE.replace("items.jsonl", "rows.csv"))


def check(path: Path) -> object:
    report = check_suite(path.parent, policy_file=None, model=None, read_table=None)
    return [finding.text.encode() for finding in report.findings]


def checkpoint(path: Path) -> object:
    return resolve_checkpoint(
        str(path.parent), name=None, store=Store(root=path.parent.parent / "store"), hub=HubSettings()
    )  # fmt: skip


def build(path: Path) -> object:
    return load_build(path, BuildOverrides(), ("Q8_0",))


def rows_of(path: Path) -> object:
    from quantgate.calibration.sources.readers import rows

    reader = RowReader(Fields(), (), "chat")
    for _, row in rows(path, path.suffix[1:], 0, 1 << 30):  # type: ignore[arg-type]  # a kind, as sources have it
        with contextlib.suppress(ValueError):  # broken and foreign rows are counted
            if isinstance(row, dict):
                reader.read(row).sequence(source="s")
    return None


def gguf() -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    pairs = (
        text(b"general.name") + struct.pack("<I", 8) + text(b"demo")
        + text(b"tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b")
        + text(b"scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.0, 1.0)
        + text(b"general.alignment") + struct.pack("<II", 4, 32)
    )  # fmt: skip
    tensor = text(b"w") + struct.pack("<IQQIQ", 2, 32, 2, 8, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 4) + pairs + tensor
    return head + b"\0" * (-len(head) % 32) + b"\0" * 68


def safetensors(folder: Path) -> bytes:
    return (write_checkpoint(folder) / "model.safetensors").read_bytes()


def kinds(folder: Path) -> list[Kind]:
    sound = write_checkpoint(folder / "sound")
    config, tokens, generation = (
        json.loads((sound / name).read_text())
        for name in ("config.json", "tokenizer_config.json", "generation_config.json")
    )
    weights = (sound / "model.safetensors").read_bytes()
    example = EXAMPLE
    base, _ = judged_runs(folder, _suite_of_sixty(folder))
    transcript = [json.loads(line) for line in exported_lines(read_transcript(base))][:6]
    return [
        yaml_kind("suite.yaml", SUITE, check, beside=suite_beside),
        lines_kind("items.jsonl", [ITEM, PLAIN_ITEM], check, beside=suite_beside),
        bytes_kind("rows.csv", CSV.encode(), check, beside=table_beside),
        yaml_kind("recipe.yaml", (CATALOGUE / "Q4_K_M--imatrix.yaml").read_text(), load_recipe),
        yaml_kind("build.yaml", (example / "build.yaml").read_text(), build),
        yaml_kind(
            "policy.yaml",
            (example / "policy.yaml").read_text(),
            lambda path: load_policy(path, suite_of([("numeric",)])),
        ),
        yaml_kind("corpus.yaml", (example / "corpus.yaml").read_text(), load_corpus_spec),
        yaml_kind("releases.yaml", (PROJECT / "flows/releases.yaml").read_text(), load_watch_list),
        lines_kind("adjudications.jsonl", [ADJUDICATION], load_adjudications),
        lines_kind("anchor.jsonl", [ANCHOR], load_anchor),
        lines_kind("transcript.jsonl", transcript, read_transcript),
        lines_kind("rows.jsonl", [CHAT, SHARED, {"text": "a"}, {"prompt": "a"}], rows_of),
        bytes_kind("rows.txt", b"one\ntwo\n", rows_of),
        bytes_kind("corpus.csv", CSV.encode(), rows_of),
        json_kind("config.json", config, checkpoint, beside=write_checkpoint),
        json_kind("tokenizer_config.json", tokens, checkpoint, beside=write_checkpoint),
        json_kind("generation_config.json", generation, checkpoint, beside=write_checkpoint),
        bytes_kind(
            "tokenizer.json",
            (sound / "tokenizer.json").read_bytes(),
            checkpoint,
            beside=write_checkpoint,
        ),
        bytes_kind("model.safetensors", weights[:4096], checkpoint, beside=write_checkpoint),
        bytes_kind("model.gguf", gguf(), read_gguf_header),
    ]


def _suite_of_sixty(folder: Path) -> Path:
    made = folder / "sixty"
    made.mkdir()
    rows = [
        {"id": f"i{n}", "prompt": f"{n}", "expected": "yes", "slices": ["a"]} for n in range(60)
    ]
    (made / "suite.yaml").write_text(SUITE.partition("  b:")[0])
    (made / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


NAMES = (
    "suite.yaml", "items.jsonl", "rows.csv", "recipe.yaml", "build.yaml", "policy.yaml", "corpus.yaml",
    "releases.yaml", "adjudications.jsonl", "anchor.jsonl", "transcript.jsonl", "rows.jsonl", "rows.txt",
    "corpus.csv", "config.json", "tokenizer_config.json", "generation_config.json", "tokenizer.json",
    "model.safetensors", "model.gguf",
)  # fmt: skip


def fuzz(kind: Kind, folder: Path, seconds: float, first: int = 0) -> int:
    """Read changed files until the time is over; return how many."""
    folder.mkdir(exist_ok=True)
    kind.beside(folder)
    path = folder / kind.name
    path.write_bytes(kind.sound)
    end = time.monotonic() + seconds
    seed = first
    while time.monotonic() < end or seed == first:
        content = kind.change(random.Random(f"{kind.name} {seed}"))
        path.write_bytes(content)
        look(kind, path, seed, content)
        seed += 1
    return seed - first


def look(kind: Kind, path: Path, seed: int, content: bytes) -> None:
    try:
        with within(LONGEST_SECONDS):
            kind.read(path)
    except QuantgateError as refusal:
        said = str(refusal)
        assert len(said) < LONGEST_SENTENCE, f"{kind.name}, seed {seed}: {said[:300]}"
        said.encode()
    except _HangError:
        pytest.fail(f"{kind.name}, seed {seed} hangs: {content[:500]!r}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
        pytest.fail(f"{kind.name}, seed {seed}: {type(error).__name__}: {error}: {content[:500]!r}")


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds(tmp_path_factory.mktemp("sound"))}


def test_every_kind_is_fuzzed(by_name: dict[str, Kind]) -> None:
    assert tuple(by_name) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_is_read_or_refused(
    tmp_path: Path, by_name: dict[str, Kind], name: str
) -> None:
    assert fuzz(by_name[name], tmp_path / "model", SECONDS) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_many_changed_files_are_read_or_refused(
    tmp_path: Path, by_name: dict[str, Kind], name: str
) -> None:
    first = random.SystemRandom().randrange(1 << 40)
    assert fuzz(by_name[name], tmp_path / "model", SLOW_SECONDS, first) > 3


ANSWERS = (
    "[" * 100_000,
    '{"a":' * 100_000,
    "<tool_call>" + "{" * 20_000,
    "f(" * 20_000,
    "```json\n" * 5_000,
    "(" * 10_000,
    "1" * 20_000,
    "9" * 400 + "." + "9" * 400,
    "1e999",
    "NaN",
    "-" * 20_000,
    "a" * 50_000,
    "\0",
    "\ud800",
    "\ufeff",
    '{"a": 1, "a": 2}',
    '{"a": 1e999}',
    "٣" * 1000,
    "{}" * 5_000,
    "<think>" * 2_000,
    "\\boxed{" * 2_000,
    "\u202e",
    "1/0",
    "10**10**10",
    "\n" * 20_000,
    "|" * 10_000,
    "",
    " ",
    '"' * 10_001,
    "0x" + "f" * 10_000,
    "1,234,567.89 " * 500,
)
EXPECTATIONS: dict[str, Any] = {
    "exact": "4", "choice": "A", "regex": "(a+)+$", "contains": ["4"], "json": {"a": 1},
    "tool_call": {"name": "f", "arguments": {"a": 1}}, "number": 4, "refusal": True, "language": "en",
    "chrf": "a b", "rouge": "a b",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(EXPECTATIONS))
def test_a_grader_grades_whatever_a_model_says(kind: GraderKind) -> None:
    assert kind in GRADERS
    grader = grader_for(GraderSpec(kind=kind, options={}))
    assert not isinstance(grader, ObservedGrader)
    item = expecting(EXPECTATIONS[kind], tools=tuple(ITEM["tools"]))  # type: ignore[arg-type]  # plain JSON
    for text in ANSWERS:
        with within(LONGEST_SECONDS):
            assert isinstance(grader.grade(text, item), Grade), text[:40]
