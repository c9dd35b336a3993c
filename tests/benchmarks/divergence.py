"""A GGUF's divergence from its base against `llama-perplexity --kl-divergence`, which keeps the base's too.

Both run the same windows. It compares the second half of each, we compare every position, so the time that a
compared position takes is the speed; the whole time is printed as well.
"""

import json
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.requests import DivergenceRequest, Loadable
from quantgate.pipelines.engines.worker_calls import call_of
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.forking.families import USING_LLAMACPP
from quantgate.pipelines.process.runner import WAITING, run_worker
from tests.benchmarks.measuring.building import THREADS, build, llamacpp, traffic
from tests.benchmarks.measuring.processes import cost_of, cost_of_command, forked
from tests.benchmarks.measuring.random_llama import MIDDLE, random_llama
from tests.benchmarks.measuring.ratios import Comparison, Cost, in_turns
from tests.support.llamacpp.oracles import oracle
from tests.support.llamacpp.perplexity import printed_divergence

WINDOWS, WINDOW_TOKENS = 8, 512
OURS_COMPARED = WINDOWS * (WINDOW_TOKENS - 1)
THEIRS_COMPARED = WINDOWS * (WINDOW_TOKENS // 2 - 1)
MOST_TIME = 1.0
_TOLERANCE = 1e-3
_MAX_PRINTINGS = 10
"""It keeps the base's log-probabilities in 16 bits, so the last digits differ: by 3e-4 on random weights."""
_HEADER_BYTES = 20
"""`_logits_`, then window, vocabulary and number of windows (tools/perplexity/perplexity.cpp)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    base: Path
    variant: Path
    folder: Path


def run(store: Store) -> None:
    """Print the time of both, after comparing what they found."""
    checkpoint = random_llama(MIDDLE, store)
    files = _Files(
        base=llamacpp().converter.convert(
            checkpoint, store.root / "f16", run_worker, ignore_progress
        ),
        variant=build(checkpoint, "Q4_K_M", llamacpp(), store).artifact,
        folder=store.root,
    )
    (store.root / "traffic.txt").write_text(traffic())
    _theirs(files, 0)  # it cuts the windows
    windows = _windows(store.root, WINDOW_TOKENS)
    with forked(USING_LLAMACPP):
        _refuse_other_digits(files)  # from here on there is a server to fork from, as in a build
        both = in_turns(partial(_ours, files, windows), partial(_theirs, files))
        _show("base and variant", both)
        kept = store.root / "logits"
        _measured(files, windows, kept)
        _show(
            "another variant, the base's logits kept",
            in_turns(partial(_ours, files, windows, kept=kept), partial(_their_variant, files)),
        )


def _show(what: str, both: tuple[list[Cost], list[Cost]]) -> None:
    ours, theirs = both
    windows = f"divergence, {WINDOWS} windows of {WINDOW_TOKENS}, {what}"
    Comparison(what=windows, ours=ours, theirs=theirs, most_time=MOST_TIME).show()
    Comparison(
        what=f"{windows}, 1,000 compared positions",
        ours=[_by_thousand(cost, OURS_COMPARED) for cost in ours],
        theirs=[_by_thousand(cost, THEIRS_COMPARED) for cost in theirs],
        most_time=MOST_TIME,
    ).show()


def _by_thousand(cost: Cost, positions: int) -> Cost:
    return Cost(
        seconds=1000 * cost.seconds / positions,
        cpu_seconds=1000 * cost.cpu_seconds / positions,
        peak_bytes=cost.peak_bytes,
    )


def _ours(files: _Files, windows: Path, _turn: int, *, kept: Path | None = None) -> Cost:
    return cost_of(lambda: _measured(files, windows, kept))


def _measured(files: _Files, windows: Path, kept: Path | None = None) -> Divergence:
    request = DivergenceRequest(
        base=Loadable(path=files.base, format=Format.GGUF),
        variant=Loadable(path=files.variant, format=Format.GGUF),
        sequences=windows,
        max_tokens=WINDOWS * WINDOW_TOKENS,
        threads=THREADS,
        log=windows.with_name("ours.log"),
        base_logits=kept,
    )
    call = call_of("quantgate.pipelines.engines.llamacpp.workers.divergence", request)
    return run_worker(call, Divergence, ignore_progress).value


def _theirs(files: _Files, turn: int) -> Cost:
    return _perplexity(files, "base", "-m", files.base).then(_their_variant(files, turn))


def _their_variant(files: _Files, _turn: int) -> Cost:
    return _perplexity(files, "variant", "-m", files.variant, "--kl-divergence")


def _perplexity(files: _Files, name: str, *asked: object) -> Cost:
    kept = ["--kl-divergence-base", files.folder / "base.kld", "-f", files.folder / "traffic.txt"]
    kept += ["-c", WINDOW_TOKENS, "--chunks", WINDOWS, "-t", THREADS]
    log = files.folder / f"theirs-{name}.log"
    log.unlink(missing_ok=True)
    command = [str(word) for word in (oracle("llama-perplexity"), *asked, *kept)]
    return cost_of_command(command, log, {"OMP_NUM_THREADS": str(THREADS)} | WAITING)


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


def _refuse_other_digits(files: _Files) -> None:
    """It looks at the second half of each window, so the first half is taken off ours."""
    whole, first = (
        _measured(files, _windows(files.folder, length))
        for length in (WINDOW_TOKENS, WINDOW_TOKENS // 2 + 1)
    )
    if (whole.tokens, whole.tokens - first.tokens) != (OURS_COMPARED, THEIRS_COMPARED):
        raise AssertionError(f"{whole.tokens} and {first.tokens} positions were compared")
    sums = whole.mean_kl * whole.tokens - first.mean_kl * first.tokens
    numpy.testing.assert_allclose(
        sums / (whole.tokens - first.tokens), _their_mean(files), rtol=_TOLERANCE
    )


def _their_mean(files: _Files) -> float:
    """The mean that it printed; it is run again where its log lost its end."""
    for turn in range(_MAX_PRINTINGS):
        printed = (files.folder / "theirs-variant.log").read_text(errors="replace")
        if (mean := printed_divergence(printed)) is not None:
            return mean
        _their_variant(files, turn)
    raise AssertionError(f"no mean divergence was printed in {_MAX_PRINTINGS} runs")
