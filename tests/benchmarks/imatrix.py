"""The importance matrix by our worker against `llama-imatrix`, over the same windows of tokens."""

from functools import partial
from pathlib import Path

import numpy

from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.engines.llamacpp.build_messages import ImatrixCall, ImatrixFacts
from quantgate.pipelines.engines.llamacpp.workers.building.gguf import read_gguf
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import WAITING, run_worker
from tests.benchmarks.measuring.building import THREADS, llamacpp, traffic, windows
from tests.benchmarks.measuring.processes import cost_of, cost_of_command
from tests.benchmarks.measuring.random_llama import LARGE, random_llama
from tests.benchmarks.measuring.ratios import Comparison, Cost, in_turns
from tests.support.llamacpp.oracles import oracle

WINDOWS, WINDOW_TOKENS = 4, 512
MOST_TIME, MOST_MEMORY = 1.15, 1.1
_TOLERANCE = 1e-3
"""Sums of squares differ by the order in which 32-bit floats are added."""


def run(store: Store) -> None:
    """Print time and memory, after comparing what both wrote."""
    checkpoint = random_llama(LARGE, store)
    model = llamacpp().converter.convert(
        checkpoint, store.root / "f16", run_worker, ignore_progress
    )
    tokens = windows(checkpoint, WINDOWS, WINDOW_TOKENS, store.root)
    text = store.root / "traffic.txt"
    text.write_text(traffic())
    ours, theirs = in_turns(
        partial(collected_by_us, model, tokens), partial(collected_by_them, model, text)
    )
    _refuse_other_work(model.with_name("ours.gguf"), model.with_name("theirs.gguf"))
    Comparison(
        what=f"importance matrix, {WINDOWS} windows of {WINDOW_TOKENS} tokens",
        ours=ours,
        theirs=theirs,
        most_time=MOST_TIME,
        most_memory=MOST_MEMORY,
    ).show()


def collected_by_us(model: Path, tokens: CalibrationTokens, _turn: int) -> Cost:
    """Return what our worker costs, which writes `ours.gguf` beside the model."""
    call = ImatrixCall(
        model=model,
        calibration=tokens,
        output=model.with_name("ours.gguf"),
        threads=THREADS,
    )
    worker = WorkerCall(
        module="quantgate.pipelines.engines.llamacpp.workers.building.imatrix",
        request=call,
        log=model.with_name("ours.log"),
        threads=THREADS,
    )
    return cost_of(lambda: run_worker(worker, ImatrixFacts, ignore_progress))


def collected_by_them(model: Path, text: Path, _turn: int) -> Cost:
    """Return what `llama-imatrix` costs, which writes `theirs.gguf` beside the model."""
    command = [
        oracle("llama-imatrix"),
        "-m",
        model,
        "-f",
        text,
        "-o",
        model.with_name("theirs.gguf"),
    ]
    command += ["--no-ppl", "--chunks", WINDOWS, "-t", THREADS, "-ngl", 0]
    command += ["-c", WINDOW_TOKENS, "-b", WINDOW_TOKENS, "-ub", WINDOW_TOKENS]
    return cost_of_command([str(word) for word in command], model.with_name("theirs.log"), WAITING)


def _refuse_other_work(ours: Path, theirs: Path) -> None:
    """A ratio means something only where both computed the same."""
    with read_gguf(ours) as one, read_gguf(theirs) as other:
        expected = {tensor.name: tensor for tensor in other.tensors}
        assert {tensor.name for tensor in one.tensors} == set(expected), "other entries"
        for tensor in one.tensors:
            left, right = one.floats(tensor), other.floats(expected[tensor.name])
            numpy.testing.assert_allclose(left, right, rtol=_TOLERANCE, err_msg=tensor.name)
