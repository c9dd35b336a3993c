"""The transformers runtime in real child processes: answers, resuming, probing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.run import Answer, Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, ProbeReport, ProbeRequest
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.files.records import from_json
from quantgate.pipelines.process.calls import Progress, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.fakes import TEMPLATE
from tests.support.models.checkpoints import edit_json, weights, write_checkpoint, write_safetensors

pytestmark = pytest.mark.integration

ITEMS = 12


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base") / "model")


def _request(base: Path, folder: Path) -> AnswerRequest:
    prompts = [
        {"item_id": f"i{at}", "token_ids": [1 + (at * 31 + k) % 250 for k in range(5 + at * 3)]}
        for at in range(ITEMS)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prompts.jsonl").write_text("".join(json.dumps(p) + "\n" for p in prompts))
    return AnswerRequest(
        loadable=Loadable(path=base, format=None),
        prompts=folder / "prompts.jsonl",
        answers=folder / "answers.jsonl",
        decode=DecodeSettings(max_tokens=6),
        stop_token_ids=(0,),
        schedule=Schedule(slots=4, threads=1),
        log=folder / "log",
    )


def _answers(request: AnswerRequest) -> dict[str, Answer]:
    lines = request.answers.read_bytes().splitlines()
    answers = [from_json(Answer, json.loads(line)) for line in lines]
    assert len({answer.item_id for answer in answers}) == len(answers)
    return {answer.item_id: answer for answer in answers}


def test_an_interrupted_run_gives_the_very_answers_of_an_uninterrupted_one(
    base: Path, tmp_path: Path
) -> None:
    runtime = TransformersRuntime()
    whole = _request(base, tmp_path / "whole")
    seen: list[Progress] = []
    runtime.answer(whole, run_worker, seen.append)
    assert len(_answers(whole)) == ITEMS
    assert seen[-1].done == seen[-1].total == ITEMS
    assert all(a.prompt_tokens == 5 + 3 * int(i[1:]) for i, a in _answers(whole).items())
    resumed = _request(base, tmp_path / "resumed")
    lines = whole.answers.read_bytes().splitlines(keepends=True)
    resumed.answers.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    runtime.answer(resumed, run_worker, ignore_progress)
    assert _answers(resumed) == _answers(whole)
    before = resumed.answers.stat().st_mtime_ns
    runtime.answer(resumed, run_worker, ignore_progress)
    assert resumed.answers.stat().st_mtime_ns == before


def _probe(folder: Path, token_ids: list[int], where: Path) -> ProbeReport:
    rows = [{"id": "t1", "text": "Grüße</s>", "token_ids": token_ids}]
    (where / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    request = ProbeRequest(
        loadable=Loadable(path=folder, format=None),
        texts=where / "texts.jsonl",
        threads=1,
        log=where / "log",
    )
    return TransformersRuntime().probe(request, run_worker, ignore_progress)


def test_a_probe_compares_token_ids_and_reads_what_the_folder_says(
    base: Path, tmp_path: Path
) -> None:
    from tokenizers import Tokenizer

    ids = Tokenizer.from_file(str(base / "tokenizer.json")).encode("Grüße</s>").ids
    report = _probe(base, ids, tmp_path)
    assert report.configuration["model_type"] == "llama"
    assert replace(report, configuration={}) == ProbeReport(
        loads=True,
        finite_logits=True,
        compared_texts=1,
        mismatched_texts=(),
        beginning_of_sequence_id=-1,
        end_of_sequence_id=0,
        vocabulary_size=257,
        chat_template=TEMPLATE,
        detail="LlamaForCausalLM",
    )
    assert _probe(base, [*ids[:-1], 1], tmp_path).mismatched_texts == ("t1",)


def _without_a_tensor(folder: Path) -> None:
    tensors = weights()
    del tensors["model.layers.1.mlp.up_proj.weight"]
    write_safetensors(folder / "model.safetensors", tensors)


def _of_another_shape(folder: Path) -> None:
    edit_json(folder / "config.json", intermediate_size=128)


def _truncated(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


@pytest.mark.parametrize("damage", [_without_a_tensor, _of_another_shape, _truncated])
def test_a_folder_that_would_be_filled_with_random_weights_or_crash_does_not_load(
    damage: object, base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(base, folder)
    damage(folder)  # type: ignore[operator]
    report = _probe(folder, [1], tmp_path)
    assert not report.loads
    assert report.detail
    assert "\n" not in report.detail


def test_weights_that_overflow_are_seen_in_the_logits(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "overflowing"
    shutil.copytree(base, folder)
    tensors = {name: values.astype("float32") for name, values in weights().items()}
    tensors["model.norm.weight"][:] = 3e38
    write_safetensors(folder / "model.safetensors", tensors)
    report = _probe(folder, [1, 2, 3], tmp_path)
    assert report.loads
    assert not report.finite_logits
