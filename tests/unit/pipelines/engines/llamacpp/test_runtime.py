"""The llama.cpp runtime's own decisions, with workers that only answer or crash."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import (
    ChildAbortError,
    ChildCrashError,
    InterruptionError,
    QuantgateError,
    ToolchainError,
    WorkerError,
)
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.requests import AnswerRequest, AnswerTally, Loadable, ProbeRequest
from quantgate.pipelines.engines.runtime import Runtime
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from quantgate.pipelines.specs.recipes import find_recipes


class CrashingWorker:
    """A `RunWorker` whose child ends one way, and from the second start on perhaps another."""

    def __init__(self, ending: QuantgateError, then: QuantgateError | None = None) -> None:
        self.endings = [ending, then or ending]
        self.starts = 0

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        self.starts += 1
        raise self.endings[min(self.starts, len(self.endings)) - 1]


class AnsweringWorker:
    """A `RunWorker` that remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[WorkerCall] = []

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        self.calls.append(call)
        value = AnswerTally(answered=1, resumed=0)
        assert isinstance(value, reply_type)
        return WorkerReply(value=value, seconds=1.0, peak_memory_bytes=1)


RUNTIME = LlamaCppRuntime(
    convert=lambda checkpoint, scratch, run_worker, on_progress: scratch / "model.gguf"
)


def probe_request(folder: Path) -> ProbeRequest:
    loadable = Loadable(path=folder / "model.gguf", format=Format.GGUF)
    return ProbeRequest(
        loadable=loadable, texts=folder / "texts.jsonl", threads=1, log=folder / "log"
    )


def test_it_is_a_runtime() -> None:
    obeys: Runtime = RUNTIME
    assert obeys.missing() is None or "make setup" in str(obeys.missing())


@pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV", "SIGFPE"])
def test_a_file_that_crashes_llama_cpp_twice_is_a_report(name: str, tmp_path: Path) -> None:
    worker = CrashingWorker(ChildAbortError(f"was killed by {name}"))
    report = RUNTIME.probe(probe_request(tmp_path), worker, ignore_progress)
    assert worker.starts == 2
    assert not report.loads
    assert name in report.detail


def test_a_crash_that_does_not_come_again_is_no_report(tmp_path: Path) -> None:
    first, second = ChildAbortError("was killed by SIGSEGV"), WorkerError("was killed by SIGKILL")
    with pytest.raises(WorkerError, match="SIGKILL"):
        RUNTIME.probe(probe_request(tmp_path), CrashingWorker(first, second), ignore_progress)


@pytest.mark.parametrize(
    "ending",
    [
        WorkerError("was killed by SIGKILL (often: out of memory)"),
        WorkerError("was killed by SIGTERM"),
        ChildCrashError("ended with exit code 1: KeyError: 'tokens'"),
        WorkerError("took longer than 1800 s and was stopped"),
        ToolchainError("ran out of memory: failed to allocate buffer"),
        InterruptionError("was interrupted: the program is ending"),
    ],
)
def test_trouble_that_is_not_the_files_fault_stays_an_error(
    ending: QuantgateError, tmp_path: Path
) -> None:
    with pytest.raises(type(ending)):
        RUNTIME.probe(probe_request(tmp_path), CrashingWorker(ending), ignore_progress)


def test_a_crash_while_answering_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkerError):
        RUNTIME.answer(
            answer_request(tmp_path),
            CrashingWorker(ChildAbortError("was killed by SIGABRT")),
            ignore_progress,
        )


def answer_request(folder: Path) -> AnswerRequest:
    return AnswerRequest(
        loadable=Loadable(path=folder / "model.gguf", format=Format.GGUF),
        prompts=folder / "prompts.jsonl",
        answers=folder / "answers.jsonl",
        decode=DecodeSettings(max_tokens=5),
        stop_token_ids=(2,),
        schedule=RUNTIME.schedule(3),
        log=folder / "log",
    )


def test_the_schedule_reaches_the_worker_and_its_threads(tmp_path: Path) -> None:
    worker = AnsweringWorker()
    request = answer_request(tmp_path)
    RUNTIME.answer(request, worker, ignore_progress)
    (call,) = worker.calls
    assert call.request == request
    assert (request.schedule.slots, request.schedule.threads) == (64, 3)
    assert call.threads == 3


def test_the_identity_is_the_same_for_base_and_variants_so_that_they_may_be_paired() -> None:
    (q2,) = find_recipes(("Q2_K",), Path())
    assert RUNTIME.identity(None) == RUNTIME.identity(q2)


def test_the_identity_says_how_keys_and_values_are_held() -> None:
    (q2,) = find_recipes(("Q2_K",), Path())
    assert RUNTIME.identity(replace(q2, kv_cache="q8_0")).kv_cache == "q8_0"
