"""Files that `judge` accepts: `export --transcripts` writes them, a schema describes them."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from quantgate.flows.build import units
from quantgate.flows.build.plan_files import write_plan
from quantgate.flows.cli.export import export_command, transcripts_command, write_transcripts
from quantgate.flows.cli.judge import JudgeOptions, judge_transcripts
from quantgate.flows.cli.transcripts import exported_lines, read_transcript
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.specs.json_schemas import SCHEMAS
from tests.support.builds.faked import faked_build
from tests.support.builds.walking import answered, judged
from tests.support.fakes import FakeBackend, FakeRuntime
from tests.unit.flows.cli.judging.test_judging import COUNT, folder, runs, settings

__all__ = ["folder"]

Edit = Callable[[JsonObject], object]


@pytest.fixture
def rows(tmp_path: Path, folder: Path) -> list[JsonObject]:
    base, _ = runs(tmp_path, folder)
    return [json.loads(line) for line in exported_lines(read_transcript(base))]


def write(path: Path, rows: list[JsonObject]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_is_exported_of_a_build_is_what_judge_reads(tmp_path: Path) -> None:
    here = faked_build(
        tmp_path, FakeBackend(), FakeRuntime(wrong={"Q2_K": {f"i{n}" for n in range(13)}})
    )
    with pytest.raises(InputError, match="no run of this build is finished"):
        write_transcripts(here, tmp_path / "out")
    for planned in here.plan.variants:
        units.build_files(here, planned)
        judged(here, planned)
    written = write_transcripts(here, tmp_path / "out")
    names = [path.stem.partition("--")[2] for path in written]
    assert names == ["base-llamacpp", "base-llamacpp.repeat-2", "Q8_0", "Q2_K"]
    for path, planned in zip(written[2:], here.plan.variants, strict=True):
        run = answered(here, planned)
        read = read_transcript(path)
        assert read.answers == tuple(graded.answer for graded in run.answers)
        assert read.record.plan.key == run.key


def test_builds_that_are_judged_in_a_server_are_exported_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = faked_build(tmp_path, FakeBackend(), FakeRuntime())
    server = Server(name="here", engine="vllm", formats=(Format.GGUF,), version="1", url="http://x")
    variants = tuple(
        replace(one, recipe=replace(one.recipe, runtime="here")) for one in here.plan.variants
    )
    plan = replace(here.plan, servers=(server,), variants=variants)
    write_plan(plan, here.settings.store)
    monkeypatch.setenv("QUANTGATE_STORE", str(here.settings.store.root))
    for command in (transcripts_command, export_command):
        if command is export_command and importlib.util.find_spec("inspect_ai") is None:
            continue
        with pytest.raises(InputError, match="no run of this build is finished"):
            command(plan.name, tmp_path / "out")


def test_prompts_travel_with_the_answers(tmp_path: Path, rows: list[JsonObject]) -> None:
    rows[1]["prompt"] = "<think>"
    read = read_transcript(write(tmp_path / "a.jsonl", rows))
    assert read.prompts == {"i0": "<think>"}
    assert [json.loads(line) for line in exported_lines(read)][1] == rows[1]


def test_exported_lines_fit_the_schema(rows: list[JsonObject]) -> None:
    schema = json.loads((SCHEMAS / "transcript.json").read_text())
    for row in (*rows, rows[1] | {"prompt": "p"}):
        jsonschema.validate(row, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(rows[1] | {"finish_reason": "done"}, schema)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"finish_reason": "done"}, "finish_reason: has to be 'stop', 'length', 'error' or 'context'"),
        ({"token_ids": ["a"]}, "token_ids.0: has to be a whole number, not 'a'"),
        ({"text": None}, "text: has to be a text, not null"),
        ({"prompt_tokens": "many"}, "prompt_tokens: has to be a whole number, not 'many'"),
        ({"finish_reson": "stop"}, "unknown key 'finish_reson' (did you mean 'finish_reason'?)"),
    ],
)  # fmt: skip
def test_a_bad_answer_names_its_line_and_its_field(
    tmp_path: Path, rows: list[JsonObject], change: JsonObject, sentence: str
) -> None:
    rows[4] |= change
    with pytest.raises(InputError) as refused:
        read_transcript(write(tmp_path / "a.jsonl", rows))
    assert f"line 5: {sentence}" in str(refused.value)


def test_a_bad_header_names_its_field(tmp_path: Path, rows: list[JsonObject]) -> None:
    place = rows[0]
    for name in ("run", "plan", "contract", "decode"):
        inner = place[name]
        assert isinstance(inner, dict)
        place = inner
    place["max_tokens"] = "many"
    with pytest.raises(InputError) as refused:
        read_transcript(write(tmp_path / "a.jsonl", rows))
    assert "line 1: run.plan.contract.decode.max_tokens: has to be a whole number" in str(
        refused.value
    )
    assert "export BUILD --transcripts" in str(refused.value)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda rows: rows.pop(), f"has no answer of i{COUNT - 1}"),
        (lambda rows: rows.append(rows[1] | {"item_id": "x"}), "of no item of the suite: x"),
        (lambda rows: rows.append(rows[1]), "has several answers of i0"),
    ],
)
def test_a_transcript_of_other_items_is_refused(
    tmp_path: Path,
    folder: Path,
    rows: list[JsonObject],
    edit: Callable[[list[JsonObject]], object],
    sentence: str,
) -> None:
    whole = write(tmp_path / "base.jsonl", rows)
    edit(rows)
    part = write(tmp_path / "part.jsonl", rows)
    options = JudgeOptions(reference=whole, variant=whole, suite=folder)
    assert judge_transcripts(options, settings(tmp_path)).decision is Decision.PASS
    with pytest.raises(InputError, match=sentence):
        judge_transcripts(replace(options, variant=part), settings(tmp_path))
