"""Answers and probes of the real llama.cpp runtime."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable, ProbeReport, ProbeRequest
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import (
    BEGIN,
    END,
    NASTY_TEXTS,
    REAL,
    byte_level_tokenizer,
    example_checkpoint,
    f16,
    probe,
    random_checkpoint,
    real_checkpoint,
    runtime,
    write_lines,
)
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

STORIES = [
    f"Once upon a time there was a {kind} named {name}. {start}"
    for kind in ("little girl", "big dog", "small cat")
    for name in ("Lily", "Tom", "Anna", "Ben")
    for start in ("She liked", "One day", "They went to the", "The sun was")
]

Ask = Callable[..., dict[str, dict[str, object]]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Return a call that answers the stories with the real checkpoint and reads the transcript."""
    checkpoint = real_checkpoint()
    tokenizer = Tokenizer.from_file(str(REAL / "tokenizer.json"))
    rows = [
        {"item_id": str(index), "token_ids": tokenizer.encode(story).ids}
        for index, story in enumerate(STORIES)
    ]
    prompts = write_lines(tmp_path / "prompts.jsonl", rows)

    def answered(
        file: str = "answers.jsonl", *, slots: int = 16, decode: DecodeSettings | None = None
    ) -> dict[str, dict[str, object]]:
        request = AnswerRequest(
            loadable=Loadable(path=f16(checkpoint), format=Format.GGUF),
            prompts=prompts,
            answers=tmp_path / file,
            decode=decode or DecodeSettings(max_tokens=24),
            stop_token_ids=(2,),
            schedule=Schedule(slots=slots, threads=1),
            log=tmp_path / "answer.log",
        )
        runtime().answer(request, run_worker, ignore_progress)
        lines = request.answers.read_text().splitlines()
        answers = {row["item_id"]: row for row in map(json.loads, lines)}
        assert len(lines) == len(answers) == len(rows)
        return answers

    return answered


def test_the_same_schedule_repeats_exactly(ask: Ask) -> None:
    assert ask("one.jsonl") == ask("two.jsonl")


def test_batched_answers_are_those_of_one_prompt_at_a_time(ask: Ask) -> None:
    batched, alone = ask("batched.jsonl"), ask("alone.jsonl", slots=1)
    same = sum(batched[key]["token_ids"] == alone[key]["token_ids"] for key in batched)
    assert same >= 0.95 * len(batched)


def test_answers_are_words_continuing_the_story(ask: Ask) -> None:
    text = " ".join(str(answer["text"]) for answer in ask().values())
    common = sum(text.count(f" {word} ") for word in ("to", "the", "and", "was", "a"))
    assert common > len(STORIES), text[:300]


def test_an_interrupted_run_goes_on_and_ends_with_the_very_same_answers(
    ask: Ask, tmp_path: Path
) -> None:
    whole = ask("whole.jsonl", slots=4)
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    kept = "".join(lines[:21])
    (tmp_path / "torn.jsonl").write_text(kept + lines[21][:30])
    assert ask("torn.jsonl", slots=4) == whole
    assert (tmp_path / "torn.jsonl").read_text().startswith(kept)


def test_a_finished_run_is_not_answered_again(ask: Ask, tmp_path: Path) -> None:
    ask()
    before = (tmp_path / "answers.jsonl").stat().st_mtime_ns
    ask()
    assert (tmp_path / "answers.jsonl").stat().st_mtime_ns == before


def test_sampling_repeats_with_its_seed_and_differs_with_another(ask: Ask) -> None:
    warm = DecodeSettings(max_tokens=24, temperature=1.0, seed=1)
    first, again = ask("a.jsonl", decode=warm), ask("b.jsonl", decode=warm)
    other = ask("c.jsonl", decode=DecodeSettings(max_tokens=24, temperature=1.0, seed=2))
    assert first == again
    assert first != other


def test_prompts_beyond_the_context_are_errors_and_a_full_context_ends_by_length(
    tmp_path: Path,
) -> None:
    """The random checkpoint has a context of 128."""
    model = f16(random_checkpoint(tmp_path / "base"))
    lengths = {"long": 128, "nearly": 125, "short": 10, "empty": 0}
    prompts = [{"item_id": name, "token_ids": [5] * count} for name, count in lengths.items()]
    request = AnswerRequest(
        loadable=Loadable(path=model, format=Format.GGUF),
        prompts=write_lines(tmp_path / "prompts.jsonl", prompts),
        answers=tmp_path / "answers.jsonl",
        decode=DecodeSettings(max_tokens=20),
        stop_token_ids=(),
        schedule=Schedule(slots=2, threads=1),
        log=tmp_path / "log",
    )
    runtime().answer(request, run_worker, ignore_progress)
    rows = map(json.loads, request.answers.read_text().splitlines())
    found = {row["item_id"]: (row["finish_reason"], len(row["token_ids"])) for row in rows}
    assert found == {
        "long": ("error", 0),
        "nearly": ("length", 3),
        "short": ("length", 20),
        "empty": ("error", 0),
    }


def test_a_probe_tells_ids_template_and_that_it_decodes(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    model = f16(random_checkpoint(tmp_path / "base", tokenizer=tokenizer))
    report = probe(model, tokenizer, NASTY_TEXTS, tmp_path)
    assert report.loads
    assert report.finite_logits
    assert report.mismatched_texts == ()
    assert report.beginning_of_sequence_id == tokenizer.token_to_id(BEGIN)
    assert report.end_of_sequence_id == tokenizer.token_to_id(END)
    assert report.vocabulary_size == tokenizer.get_vocab_size()
    assert report.chat_template == "{{ messages[0]['content'] }}"


def test_a_sentencepiece_checkpoint_without_template_has_equal_ids(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(REAL / "tokenizer.json")) if REAL.is_dir() else None
    model = f16(real_checkpoint())
    assert tokenizer is not None
    report = probe(model, tokenizer, STORIES, tmp_path)
    assert (report.mismatched_texts, report.chat_template) == ((), "")


def test_the_examples_suite_and_traffic_have_equal_ids(tmp_path: Path) -> None:
    checkpoint = example_checkpoint()
    tokenizer = Tokenizer.from_file(str(checkpoint.folder / "tokenizer.json"))
    files = (EXAMPLE / "suite/items.jsonl", EXAMPLE / "traffic/messages.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    texts = [
        f"{BEGIN}<|{message['role']}|>{message['content']}{END}"
        for row in rows
        for message in row.get("messages", [{"role": "user", "content": row.get("text")}])
    ]
    report = probe(f16(checkpoint), tokenizer, texts, tmp_path)
    assert report.compared_texts == len(texts) > 1000
    assert report.mismatched_texts == ()


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_does_not_load_and_says_why(keep: float, tmp_path: Path) -> None:
    content = f16(real_checkpoint()).read_bytes()
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content[: int(len(content) * keep)])
    report = _probe_without_texts(broken, tmp_path)
    assert not report.loads
    assert "llama.cpp" in report.detail
    assert "gave no reason" not in report.detail


def test_nan_weights_do_not_load(tmp_path: Path) -> None:
    """Without `check_tensors` they would load and answer with noise."""
    content = bytearray(f16(real_checkpoint()).read_bytes())
    content[-64:] = b"\x00\x00\xc0\x7f" * 16
    broken = tmp_path / "nan.gguf"
    broken.write_bytes(content)
    report = _probe_without_texts(broken, tmp_path)
    assert not report.loads
    with pytest.raises(CheckpointError, match="does not load"):
        _answer_with(broken, tmp_path)


def _probe_without_texts(model: Path, folder: Path) -> ProbeReport:
    request = ProbeRequest(
        loadable=Loadable(path=model, format=Format.GGUF),
        texts=write_lines(folder / "texts.jsonl", []),
        threads=1,
        log=folder / "probe.log",
    )
    return runtime().probe(request, run_worker, ignore_progress)


def _answer_with(model: Path, folder: Path) -> None:
    request = AnswerRequest(
        loadable=Loadable(path=model, format=Format.GGUF),
        prompts=write_lines(folder / "p.jsonl", [{"item_id": "a", "token_ids": [1, 5]}]),
        answers=folder / "a.jsonl",
        decode=DecodeSettings(max_tokens=2),
        stop_token_ids=(),
        schedule=Schedule(slots=1, threads=1),
        log=folder / "log",
    )
    runtime().answer(request, run_worker, ignore_progress)
