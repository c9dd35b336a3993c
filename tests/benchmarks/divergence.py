"""A GGUF's divergence from its base against `llama-perplexity --kl-divergence`, base pass included."""

import json
import struct
from functools import partial
from pathlib import Path

import numpy

from pipelines.domain.audit import Divergence
from pipelines.files.store import Store
from pipelines.process.calls import WorkerCall, ignore_progress
from pipelines.process.divergences import DivergenceCall, Divergences
from pipelines.process.runner import WAITING, run_worker
from tests.benchmarks.building import THREADS, build, llamacpp, traffic
from tests.benchmarks.processes import cost_of, cost_of_command
from tests.benchmarks.random_llama import MIDDLE, random_llama
from tests.benchmarks.ratios import Comparison, Cost, in_turns
from tests.oracles import oracle

WINDOWS, WINDOW_TOKENS = 8, 512
MOST_TIME = 1.0
_TOLERANCE = 1e-3
"""It keeps the base's log-probabilities in 16 bits, so the last digits differ: by 3e-4 on random weights."""
_HEADER_BYTES = 20
"""`_logits_`, then window, vocabulary and number of windows (tools/perplexity/perplexity.cpp)."""


def run(store: Store) -> None:
    """Print the time of both, after comparing what they found."""
    checkpoint = random_llama(MIDDLE, store)
    base = llamacpp().convert(checkpoint, store.root / "f16", run_worker, ignore_progress)
    variant = build(checkpoint, "Q4_K_M", llamacpp(), store).artifact
    (store.root / "traffic.txt").write_text(traffic())
    _theirs(base, variant, store.root, 0)  # it cuts the windows
    windows = _windows(store.root, WINDOW_TOKENS)
    ours, theirs = in_turns(
        partial(_ours, base, variant, windows), partial(_theirs, base, variant, store.root)
    )
    _refuse_other_digits(base, variant, store.root)
    Comparison(
        what=f"divergence, {WINDOWS} windows of {WINDOW_TOKENS} tokens",
        ours=ours,
        theirs=theirs,
        most_time=MOST_TIME,
    ).show()


def _ours(base: Path, variant: Path, windows: Path, _turn: int) -> Cost:
    return cost_of(lambda: _measured(base, variant, windows))


def _measured(base: Path, variant: Path, windows: Path) -> Divergence:
    call = DivergenceCall(
        base=base,
        others=(variant,),
        sequences=windows,
        max_tokens=WINDOWS * WINDOW_TOKENS,
        threads=THREADS,
    )
    worker = WorkerCall(
        module="pipelines.process.workers.llamacpp_divergence",
        request=call,
        log=windows.with_name("ours.log"),
        threads=THREADS,
    )
    return run_worker(worker, Divergences, ignore_progress).value.values[0]


def _theirs(base: Path, variant: Path, folder: Path, _turn: int) -> Cost:
    kept = ["--kl-divergence-base", folder / "base.kld", "-f", folder / "traffic.txt"]
    kept += ["-c", WINDOW_TOKENS, "--chunks", WINDOWS, "-t", THREADS]
    program = oracle("llama-perplexity")
    waiting = {"OMP_NUM_THREADS": str(THREADS)} | WAITING
    costs = []
    for name, asked in (("base", ["-m", base]), ("variant", ["-m", variant, "--kl-divergence"])):
        log = folder / f"theirs-{name}.log"
        log.unlink(missing_ok=True)
        command = [str(word) for word in (program, *asked, *kept)]
        costs.append(cost_of_command(command, log, waiting))
    return costs[0].then(costs[1])


def _windows(folder: Path, length: int) -> Path:
    """Write down the first tokens of each window that it cut, read from its own file."""
    content = (folder / "base.kld").read_bytes()
    window, _, count = struct.unpack("<3i", content[8:_HEADER_BYTES])
    ids = numpy.frombuffer(content, dtype="<i4", count=window * count, offset=_HEADER_BYTES)
    rows = [
        {"id": str(at), "token_ids": row[:length].tolist()}
        for at, row in enumerate(ids.reshape(count, window))
    ]
    file = folder / f"windows-{length}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def _refuse_other_digits(base: Path, variant: Path, folder: Path) -> None:
    """It looks at the second half of each window, so the first half is taken off ours."""
    whole, first = (
        _measured(base, variant, _windows(folder, length))
        for length in (WINDOW_TOKENS, WINDOW_TOKENS // 2 + 1)
    )
    sums = whole.mean_kl * whole.tokens - first.mean_kl * first.tokens
    printed = (folder / "theirs-variant.log").read_text().splitlines()
    (line,) = [row for row in printed if row.startswith("Mean    KLD")]
    numpy.testing.assert_allclose(
        sums / (whole.tokens - first.tokens), float(line.split()[2]), rtol=_TOLERANCE
    )
