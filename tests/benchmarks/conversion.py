"""GGUF variants through us against llama.cpp's own `convert_hf_to_gguf.py` and `llama-quantize`."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.forking.families import USING_LLAMACPP
from tests.benchmarks.measuring.building import THREADS, build, llamacpp
from tests.benchmarks.measuring.processes import cost_of, cost_of_command, forked
from tests.benchmarks.measuring.random_llama import LARGE, random_llama
from tests.benchmarks.measuring.ratios import ROUNDS, Comparison, Cost, one_after_another
from tests.support.llamacpp.oracles import oracle

TYPES = ("Q4_K_M", "Q5_K_M", "Q8_0")
MOST_TIME, MOST_MEMORY = 1.05, 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """Costs of one round. `ours` is each type's build, the first with the conversion that all share."""

    ours: list[Cost]
    converted: Cost
    quantized: list[Cost]


def run(store: Store) -> None:
    """Print one type from a checkpoint, and three types from one conversion."""
    checkpoint = random_llama(LARGE, store)
    rounds = [_round(checkpoint, store.root / f"conversion-{turn}") for turn in range(ROUNDS)]
    several = f"{len(TYPES)} types ({', '.join(TYPES)})"
    Comparison(
        what=f"convert + quantize to {TYPES[0]}",
        ours=[turn.ours[0] for turn in rounds],
        theirs=[turn.converted.then(turn.quantized[0]) for turn in rounds],
        most_time=MOST_TIME,
        most_memory=MOST_MEMORY,
    ).show()
    ours = [one_after_another(turn.ours) for turn in rounds]
    Comparison(
        what=f"{several}, converted once by both",
        ours=ours,
        theirs=[turn.converted.then(one_after_another(turn.quantized)) for turn in rounds],
        most_time=MOST_TIME,
        most_memory=MOST_MEMORY,
    ).show()
    Comparison(
        what=f"{several}, theirs converted each time",
        ours=ours,
        theirs=[
            one_after_another([turn.converted] * len(TYPES) + turn.quantized) for turn in rounds
        ],
        most_time=None,
    ).show()


def _round(checkpoint: Checkpoint, folder: Path) -> _Round:
    store, other = Store(root=folder / "ours"), folder / "theirs"
    other.mkdir(parents=True)
    with forked(USING_LLAMACPP):
        ours = [_ours(checkpoint, kind, store) for kind in TYPES]
    f16 = other / "f16.gguf"
    converted = converted_by_them(checkpoint, f16)
    quantized = [_quantize(f16, kind) for kind in TYPES]
    shutil.rmtree(folder)
    return _Round(ours=ours, converted=converted, quantized=quantized)


def _ours(checkpoint: Checkpoint, kind: str, store: Store) -> Cost:
    return cost_of(lambda: build(checkpoint, kind, llamacpp(), store))


def converted_by_them(checkpoint: Checkpoint, output: Path) -> Cost:
    """Return what llama.cpp's converter costs, which writes an F16 GGUF."""
    command = [sys.executable, "-m", "tests.benchmarks.plain.convert"]
    command += [str(Settings.from_environment().converter), str(checkpoint.folder)]
    command += ["--outtype", "f16", "--outfile", str(output)]
    return cost_of_command(command, output.with_suffix(".log"), {"OMP_NUM_THREADS": str(THREADS)})


def _quantize(f16: Path, kind: str) -> Cost:
    command = [oracle("llama-quantize"), f16, f16.parent / f"{kind}.gguf", kind, THREADS]
    return cost_of_command([str(word) for word in command], f16.with_suffix(".log"), {})
