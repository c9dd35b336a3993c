"""Grammars, stop texts and an item's own settings in the real runtimes, with the example's checkpoint."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, Prompt
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.evaluation.graders.reading.strict_json import Parsed, parse_strictly
from quantgate.pipelines.evaluation.graders.structures.schemas import violation
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import (
    BEGIN,
    END,
    example_checkpoint,
    f16,
    runtime,
    write_lines,
)
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

TOKENIZER = Tokenizer.from_file(str(EXAMPLE / "checkpoint/tokenizer.json"))
STOP = int(TOKENIZER.token_to_id(END) or 0)
GREEDY = DecodeSettings(max_tokens=96)
SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "type": "object",
        "properties": {
            "name": {"enum": ["refund_order", 'odd "name" \\ with\nbreaks', "é😀"]},
            "arguments": {
                "type": "object",
                "properties": {
                    "order": {"type": "string", "minLength": 1, "maxLength": 12},
                    "amount": {"type": "integer", "minimum": -3, "maximum": 250},
                },
                "required": ["order"],
            },
        },
        "required": ["name", "arguments"],
    },
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 6}]},
    {"type": "integer", "minimum": 10, "maximum": 99999},
    {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer", "maximum": 9, "minimum": 0},
                    "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
                },
                "required": ["value"],
            }
        },
    },
    {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": [2]}, "c": {"const": {}}}},
    {
        "properties": {
            "code": {"pattern": "^[A-Z]-[0-9]{2,4}$"},
            "hours": {"minimum": 0, "maximum": 40, "multipleOf": 0.5},
        },
        "required": ["code", "hours"],
    },
)


ENGINES = pytest.mark.parametrize(
    "engine", [None, TransformersRuntime()], ids=["llamacpp", "transformers"]
)


def _prompts(count: int = 12, **changes: Any) -> list[Prompt]:
    rows = map(json.loads, (EXAMPLE / "suite/items.jsonl").read_text().splitlines())
    found = []
    for row in [row for row, _ in zip(rows, range(count), strict=False)]:
        text = "".join(f"{BEGIN}<|{m['role']}|>{m['content']}{END}" for m in row["messages"])
        ids = tuple(TOKENIZER.encode(text + "<|assistant|>", add_special_tokens=False).ids)
        found.append(Prompt(item_id=row["id"], token_ids=ids, **changes))
    return found


def _bound(schema: dict[str, Any], count: int, **changes: Any) -> list[Prompt]:
    return [
        Prompt(
            item_id=f"{prompt.item_id}+{SCHEMAS.index(schema)}",
            token_ids=prompt.token_ids,
            schema=json.dumps(schema),
            **changes,
        )
        for prompt in _prompts(count)
    ]


def _answers(
    folder: Path,
    prompts: Sequence[Prompt],
    decode: DecodeSettings = GREEDY,
    engine: Runtime | None = None,
    slots: int = 8,
) -> dict[str, dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    gguf = Loadable(path=f16(example_checkpoint()), format=Format.GGUF)
    request = AnswerRequest(
        loadable=Loadable(path=EXAMPLE / "checkpoint", format=None) if engine else gguf,
        prompts=write_lines(folder / "prompts.jsonl", map(_plain, prompts)),
        answers=folder / "answers.jsonl",
        decode=decode,
        stop_token_ids=(STOP,),
        schedule=Schedule(slots=slots, threads=1),
        log=folder / "log",
    )
    (engine or runtime()).answer(request, run_worker, ignore_progress)
    return {
        row["item_id"]: row for row in map(json.loads, request.answers.read_text().splitlines())
    }


def _plain(prompt: Prompt) -> dict[str, Any]:
    return {name: getattr(prompt, name) for name in prompt.__slots__}


def _assert_meets_its_schema(answer: dict[str, Any], schema: dict[str, Any]) -> None:
    parsed = parse_strictly(answer["text"])
    assert isinstance(parsed, Parsed), answer
    assert violation(parsed.value, schema) is None, answer


def test_unbound_answers_are_the_same_beside_bound_ones(tmp_path: Path) -> None:
    """Whoever shares the batch changes its shape, so that last digits may differ: not the words here."""
    free = _answers(tmp_path / "free", _prompts())
    mixed = _answers(tmp_path / "mixed", [*_prompts(), *_bound(SCHEMAS[1], 4)])
    assert {key: mixed[key]["text"] for key in free} == {k: row["text"] for k, row in free.items()}


@pytest.mark.parametrize(
    ("engine", "temperature"),
    [
        (None, 0.0),
        (None, 1.0),
        (None, 8.0),
        (TransformersRuntime(), 0.0),
        (TransformersRuntime(), 8.0),
    ],
)
def test_bound_answers_that_end_always_meet_their_schema(
    engine: Runtime | None, temperature: float, tmp_path: Path
) -> None:
    """At temperature 8 the model says nearly anything that the grammar lets through."""
    prompts = [one for schema in SCHEMAS for one in _bound(schema, 8)]
    decode = DecodeSettings(max_tokens=200, temperature=temperature, seed=5)
    answers = _answers(tmp_path / "a", prompts, decode, engine)
    schemas = {prompt.item_id: json.loads(prompt.schema or "") for prompt in prompts}
    ended = [row for row in answers.values() if row["finish_reason"] == "stop"]
    assert len(ended) > 0.8 * len(prompts)
    assert all(row["finish_reason"] != "error" for row in answers.values())
    for row in ended:
        _assert_meets_its_schema(row, schemas[row["item_id"]])


def test_without_the_grammar_the_same_prompts_do_not_meet_it(tmp_path: Path) -> None:
    answers = _answers(tmp_path / "a", _prompts(8))
    broken = [violation(json.loads(row["text"]), SCHEMAS[0]) for row in answers.values()]
    assert all(broken)


def test_a_schema_without_a_grammar_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allows nothing"):
        _answers(tmp_path / "a", _prompts(1, schema="false"))
    with pytest.raises(InputError, match="no text meets it"):
        _answers(tmp_path / "b", _prompts(1, schema='{"$ref": "#"}'))


def test_a_schema_that_begins_with_itself_binds(tmp_path: Path) -> None:
    schema = '{"anyOf": [{"$ref": "#"}, {"type": "null"}]}'
    answers = _answers(tmp_path / "a", _prompts(2, schema=schema))
    assert [row["text"] for row in answers.values()] == ["null", "null"]


@ENGINES
def test_a_stop_text_ends_an_answer_and_is_no_part_of_it(
    engine: Runtime | None, tmp_path: Path
) -> None:
    whole = _answers(tmp_path / "whole", _prompts(), engine=engine)
    stop = '","arguments'
    cut = _answers(tmp_path / "cut", _prompts(stop=(stop, "never said")), engine=engine)
    assert any(stop in row["text"] for row in whole.values())
    for key, row in cut.items():
        before, stopped, _ = whole[key]["text"].partition(stop)
        assert row["text"] == before
        assert row["finish_reason"] == "stop"
        count = len(row["token_ids"])
        assert row["token_ids"] == whole[key]["token_ids"][:count]
        assert TOKENIZER.decode(row["token_ids"]).startswith(before)
        assert not stopped or not TOKENIZER.decode(row["token_ids"][:-1]).startswith(before)


@ENGINES
def test_every_prompt_has_its_own_length_and_temperature(
    engine: Runtime | None, tmp_path: Path
) -> None:
    plain = _answers(tmp_path / "plain", _prompts(6), engine=engine)
    short = _answers(tmp_path / "short", _prompts(6, max_tokens=5), engine=engine)
    for key, row in short.items():
        assert row["token_ids"] == plain[key]["token_ids"][:5]
        assert row["finish_reason"] == "length"
    hot = DecodeSettings(max_tokens=96, temperature=3.0)
    cold = _answers(tmp_path / "cold", _prompts(6, temperature=0.0), hot, engine)
    assert {k: row["text"] for k, row in cold.items()} == {k: r["text"] for k, r in plain.items()}
    warm = _answers(tmp_path / "warm", _prompts(6, temperature=3.0), engine=engine)
    assert all(warm[key]["text"] != row["text"] for key, row in plain.items())


@ENGINES
def test_samples_of_an_item_differ_and_repeat_exactly(
    engine: Runtime | None, tmp_path: Path
) -> None:
    first = _prompts(3)
    samples = [
        Prompt(item_id=f"{one.item_id}{mark}", token_ids=one.token_ids)
        for one in first
        for mark in ("", "#2", "#3")
    ]
    warm = DecodeSettings(max_tokens=24, temperature=5.0, seed=2)
    once = _answers(tmp_path / "once", samples, warm, engine)
    again = _answers(tmp_path / "again", samples, warm, engine)
    assert once == again
    for one in first:
        texts = {once[f"{one.item_id}{mark}"]["text"] for mark in ("", "#2", "#3")}
        assert len(texts) == 3
