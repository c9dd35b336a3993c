"""The parent's half of the transformers runtime, its batches and its transcript."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.domain.errors import (
    CheckpointError,
    ChildCrashError,
    InterruptionError,
    QuantgateError,
    ToolchainError,
    WorkerError,
)
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Answer, Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.answer_log import AnswerLog
from quantgate.pipelines.engines.requests import AnswerRequest, AnswerTally, Loadable, ProbeRequest
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.engines.transformers.batches import batches
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.process.calls import OnProgress, WorkerCall, WorkerReply, ignore_progress
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.fakes import fake_checkpoint


@dataclass
class FakeWorker:
    """Fails as told, or tallies."""

    error: QuantgateError | None = None
    calls: list[WorkerCall] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Any], on_progress: OnProgress
    ) -> WorkerReply[Any]:
        """Remember the call."""
        self.calls.append(call)
        if self.error:
            raise self.error
        return WorkerReply(
            value=AnswerTally(answered=1, resumed=0), seconds=1.0, peak_memory_bytes=1
        )


def _answer(item_id: str, text: str = "ja") -> Answer:
    return Answer(item_id=item_id, text=text, token_ids=(1,), finish_reason="stop", prompt_tokens=2)


def _probe_request(folder: Path) -> ProbeRequest:
    loadable = Loadable(path=folder, format=Format.COMPRESSED_TENSORS)
    return ProbeRequest(
        loadable=loadable, texts=folder / "texts.jsonl", threads=1, log=folder / "log"
    )


def test_it_is_a_runtime() -> None:
    runtime: Runtime = TransformersRuntime()
    assert runtime.missing() is None


def test_low_bit_activations_are_emulated_and_weights_alone_are_expanded() -> None:
    runtime = TransformersRuntime()
    nvfp4, gptq = find_recipes(("NVFP4", "W4A16--gptq"), Path())
    assert runtime.identity(gptq).kernels == "weight-only"
    base, variant = runtime.identity(None), runtime.identity(nvfp4)
    assert (base.kernels, variant.kernels) == ("reference", "emulated")
    assert base.version == variant.version, "else they would not be comparable"
    assert "torch" in base.version
    assert (base.compute_dtype, base.kv_cache) == ("bfloat16", "bf16")


def test_the_base_is_loaded_from_its_own_folder(tmp_path: Path) -> None:
    checkpoint = fake_checkpoint(tmp_path)
    loadable = TransformersRuntime().reference(checkpoint, tmp_path, FakeWorker(), ignore_progress)
    assert loadable == Loadable(path=tmp_path, format=None)


@pytest.mark.parametrize(
    "error",
    [
        ChildCrashError("ended with exit code 1: RuntimeError: no\nmore", where="probe"),
        CheckpointError("does not load cleanly: 3 missing keys", where="folder"),
    ],
)
def test_a_folder_that_does_not_load_is_a_report_of_one_line(
    error: QuantgateError, tmp_path: Path
) -> None:
    report = TransformersRuntime().probe(
        _probe_request(tmp_path), FakeWorker(error=error), ignore_progress
    )
    assert not report.loads
    assert report.detail == error.what.splitlines()[0]


@pytest.mark.parametrize(
    "error",
    [
        ToolchainError("torch cannot use H200"),
        ToolchainError("ran out of memory: torch.OutOfMemoryError"),
        WorkerError("was killed by SIGKILL (often: out of memory)"),
        WorkerError("was killed by SIGTERM"),
        WorkerError("ended with exit code 1: ModuleNotFoundError: No module named 'torch'"),
        WorkerError("took longer than 1800 s and was stopped"),
        InterruptionError("was interrupted: the program is ending"),
    ],
)
def test_what_is_not_the_folders_fault_is_no_verdict_on_it(
    error: QuantgateError, tmp_path: Path
) -> None:
    with pytest.raises(type(error)):
        TransformersRuntime().probe(
            _probe_request(tmp_path), FakeWorker(error=error), ignore_progress
        )


def test_the_worker_runs_with_the_threads_of_the_schedule(tmp_path: Path) -> None:
    worker = FakeWorker()
    request = AnswerRequest(
        loadable=Loadable(path=tmp_path, format=None),
        prompts=tmp_path / "prompts.jsonl",
        answers=tmp_path / "answers.jsonl",
        decode=DecodeSettings(max_tokens=4),
        stop_token_ids=(2,),
        schedule=Schedule(slots=4, threads=3),
        log=tmp_path / "log",
    )
    TransformersRuntime().answer(request, worker, ignore_progress)
    assert worker.calls[0].threads == 3


def test_every_prompt_stands_in_exactly_one_batch() -> None:
    lengths = [7, 3, 9, 3, 5, 1, 8, 2, 2, 6, 4] * 7
    laid = batches(lengths, slots=4)
    assert sorted(index for batch in laid for index in batch) == list(range(len(lengths)))
    assert all(len(batch) <= 4 for batch in laid)


def test_prompts_of_like_length_share_a_batch() -> None:
    assert batches([1, 9, 1, 9, 1, 9], slots=3) == ((1, 3, 5), (0, 2, 4))


def test_long_prompts_do_not_pad_short_ones() -> None:
    assert batches([40, 300, 30, 290, 50], slots=4) == ((1, 3), (4, 0, 2))
    assert batches([300, 150, 149], slots=4) == ((0, 1), (2,))
    assert batches([70, 8], slots=4) == ((0, 1),), "little padding is cheaper than another batch"


def test_another_order_is_another_set_of_batches() -> None:
    """Otherwise repeating the reference in another order would measure no noise."""
    lengths = [10] * 64
    forward = {frozenset(batch) for batch in batches(lengths, slots=4)}
    order = [(index * 37) % 64 for index in range(64)]
    shuffled = {frozenset(order[i] for i in batch) for batch in batches(lengths, slots=4)}
    assert forward != shuffled


def test_length_sorting_stays_within_a_window_so_that_memory_and_order_stay_bounded() -> None:
    laid = batches(list(range(100)), slots=2)
    assert max(max(batch) for batch in laid[:8]) < 16


def test_answers_survive_a_torn_last_line(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    AnswerLog(file).append([_answer("a"), _answer("b")])
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"item_id": "c", "text": "ha')
    log = AnswerLog(file)
    assert log.answered == {"a", "b"}
    assert file.read_bytes() == whole
    log.append([_answer("c")])
    assert AnswerLog(file).answered == {"a", "b", "c"}


def test_a_whole_line_without_its_newline_is_torn_too(tmp_path: Path) -> None:
    """Appending to it would glue two answers together."""
    file = tmp_path / "answers.jsonl"
    AnswerLog(file).append([_answer("a"), _answer("b")])
    file.write_bytes(file.read_bytes()[:-1])
    assert AnswerLog(file).answered == {"a"}


def test_an_answer_is_never_written_twice(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "answers.jsonl")
    log.append([_answer("a")])
    log.append([_answer("a", "other"), _answer("b")])
    assert (tmp_path / "answers.jsonl").read_text().count('"item_id"') == 2


def test_line_separators_in_an_answer_do_not_split_its_line(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    AnswerLog(file).append([_answer("a", "one\u2028two\x85three\nfour")])
    assert len(file.read_text().splitlines()) == 1
    assert AnswerLog(file).answered == {"a"}
