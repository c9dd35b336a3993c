"""Memory that the steps of a build take, held against what its plan foretells of them (docs/memory.md)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from quantgate.flows.build import units
from quantgate.flows.build.bases import refuse_base
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import run_references
from quantgate.flows.build.resources.needs import (
    ANSWER,
    AUDIT,
    BUILD,
    COMPARE,
    UnitNeed,
    unit_needs,
)
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.process.runner import run_worker
from tests.benchmarks.measuring.random_llama import LARGE, random_llama
from tests.support.builds.site import make_site
from tests.support.limits.watching import Peaks, peaks
from tests.support.project import EXAMPLE

RECIPES = ("Q8_0", "Q4_K_M", "Q4_K_M--imatrix", "FP8_DYNAMIC", "W4A16--gptq", "W4A16--awq", "NVFP4")
_CHECKPOINT_LOGITS = "checkpoint_logits"
READING_ONCE = (
    "building.convert", "building.quantize", "compress", _CHECKPOINT_LOGITS, "rulers",
)  # fmt: skip
"""They go over their files once, or copy what they compute with: cached pages of these may go at any time."""
LEAST, MOST = 0.8, 1.5
_CORPUS = (
    f"name: few\nsequences: 12\nsources:\n  - path: {EXAMPLE / 'traffic' / 'messages.jsonl'}\n"
)
"""How much is calibrated with decides how long it takes, and little of the memory."""


@dataclass(slots=True)
class _Watched:
    """Runs workers, and keeps what each took at most since it was last asked."""

    highest: dict[str, Peaks] = field(default_factory=dict)

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        with peaks() as measured:
            reply = run_worker(call, reply_type, on_progress)
        name = call.module.rpartition("workers.")[2]
        before = self.highest.get(name, Peaks())
        self.highest[name] = Peaks(
            resident_bytes=max(before.resident_bytes, measured.resident_bytes),
            anonymous_bytes=max(before.anonymous_bytes, measured.anonymous_bytes),
        )
        return reply


def run(store: Store) -> None:
    """Print what each step was foretold to take, and what each of its child processes took.

    QUANTGATE_BENCH_MODEL names another checkpoint than the random one, QUANTGATE_BENCH_RECIPES other recipes.
    """
    model = os.environ.get("QUANTGATE_BENCH_MODEL")
    folder = Path(model) if model else random_llama(LARGE, store).folder
    recipes = os.environ.get("QUANTGATE_BENCH_RECIPES", " ".join(RECIPES)).split()
    watched = _Watched()
    corpus = store.root / "corpus.yaml"
    corpus.write_text(_CORPUS)
    build = make_site(store.root / "site", tuple(recipes), model=folder, corpus=corpus)
    build = replace(build, tools=replace(build.tools, run_worker=watched))
    weights = 2 * build.plan.checkpoint.parameter_count / 1e6
    print(f"weights in 16 bits: {weights:.0f} MB; foretold/measured {LEAST} to {MOST}", flush=True)
    for foretold in unit_needs(build):
        watched.highest.clear()
        _do(build, foretold)
        for line in _lines(foretold, watched.highest):
            print(line, flush=True)


def _do(build: LocalBuild, asked: UnitNeed) -> None:
    """Do what a step does of a unit; a random base may differ by more than rounding."""
    bases = {base_in(name): name for name in build.plan.runtimes}
    with suppress(CheckpointError):
        if asked.unit in bases:
            act = refuse_base if asked.step == COMPARE else run_references
            act(build, bases[asked.unit])
            return
        planned = build.plan.variant(asked.unit)
        acts = {BUILD: units.build_files, AUDIT: units.audit, ANSWER: units.answer}
        acts[asked.step](build, planned)


def _lines(foretold: UnitNeed, measured: dict[str, Peaks]) -> Iterator[str]:
    """Yield a line for each child process, and the ratio for the one that took the most.

    The checkpoint's logits, which a comparison is foretold for, are computed once for both bases: the second
    one has no ratio.
    """
    taken = {name: _taken(name, highest) for name, highest in measured.items()}
    shared = foretold.step == COMPARE and _CHECKPOINT_LOGITS not in taken
    most = max(taken, key=lambda name: taken[name], default="")
    for name, size in taken.items():
        line = f"{foretold.step:8} {foretold.unit:34} {name:20} {size / 1e6:6.0f} MB"
        if name == most and not shared:
            need = foretold.need.size_bytes
            ratio = need / size
            verdict = "ok" if LEAST <= ratio <= MOST else "MISS"
            line += f"  foretold {need / 1e6:6.0f} MB  ratio {ratio:.2f}  {verdict}"
        yield line


def _taken(worker: str, highest: Peaks) -> int:
    """Return what belongs to no file, and files as well where weights are computed with as they lie there."""
    return highest.anonymous_bytes if worker in READING_ONCE else highest.resident_bytes
