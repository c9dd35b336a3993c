"""Perplexity beside what was published: `python examples/smollm2/train/perplexity.py TEXT`.

TEXT is a file of plain text, such as the test part of wikitext-2. The base and its GGUF files, built by the
program or taken from its store, are given to llama.cpp's own `llama-perplexity`, which `make setup-oracles`
compiles, as the published numbers were made: 32 windows of 512 tokens, of which the second halves count.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools, wire
from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import (
    InputError,
    QuantgateError,
    ToolchainError,
    WorkerError,
)
from quantgate.pipelines.domain.recipe import GgufOptions
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.specs.recipes import catalogue
from quantgate.pipelines.variants.variant import build_request, build_variant, plan_variant

EXAMPLE = Path(__file__).resolve().parents[1]
_NAME = "smollm2-135m-desk"  # as in the build files, so that both share what is built
_PROGRAM = Path(sys.prefix) / "oracles" / "bin" / "llama-perplexity"
_WINDOWS, _WINDOW_TOKENS = 32, 512
_MEBIBYTE = 1 << 20
_ESTIMATE = re.compile(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published for the same model: MiB, called MB there, and per cent of perplexity above F16."""

    mebibytes: int
    above: str


PUBLISHED = {
    "Q8_0": Published(mebibytes=138, above="0.29"),
    "Q6_K": Published(mebibytes=132, above="0.53"),
    "Q5_K_M": Published(mebibytes=107, above="3.3"),
    "Q4_K_M": Published(mebibytes=101, above="4.7 (Metal), 5.2 (CUDA)"),
}
PUBLISHED_F16 = 18.24


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufFile:
    """A file to measure; `bits_per_weight` is the mean over all of its tensors."""

    label: str
    path: Path
    bits_per_weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A perplexity with its standard error."""

    perplexity: float
    error: float


def main() -> int:
    """Print the table; return the exit code."""
    arguments = _parse_arguments()
    try:
        if not arguments.text.is_file():
            raise InputError("there is no such file", where=str(arguments.text))
        if not _PROGRAM.is_file():
            raise ToolchainError(
                "llama-perplexity is not there", next_step="run `make setup-oracles`"
            )
        print("| | MiB | published | bits a weight | perplexity | above F16 | published |")
        print("|---|---|---|---|---|---|---|", flush=True)
        _measure(arguments)
    except QuantgateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path, help="plain text of some 17,000 tokens or more")
    parser.add_argument("--base", type=Path, default=EXAMPLE / "made" / "base", help="checkpoint")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> None:
    base: Estimate | None = None
    for file in _files(arguments.base, arguments.threads):
        estimate = _estimate(file.path, arguments.text, arguments.threads)
        base = base or estimate
        print(_row(file, estimate, base), flush=True)


def _files(base: Path, threads: int) -> Iterator[GgufFile]:
    """Yield the base in F16, then its files, built where nobody has.

    Raises:
        QuantgateError: from reading the checkpoint, converting and building.
    """
    settings = Settings.from_environment()
    tools = wire(settings)
    checkpoint = resolve_checkpoint(
        str(base),
        name=_NAME,
        store=settings.store,
        hub=settings.hub,
        tools=CheckpointTools(architectures=tools.architectures),
    )
    scratch = settings.store.checkpoint(checkpoint.digests.combined)
    full = tools.runtimes["llamacpp"].reference(
        checkpoint, scratch, tools.run_worker, ignore_progress
    )
    yield GgufFile(label="F16", path=full.path, bits_per_weight=16.0)
    for label in PUBLISHED:
        yield _built(checkpoint, label, threads, tools, settings)


def _built(
    checkpoint: Checkpoint, label: str, threads: int, tools: Tools, settings: Settings
) -> GgufFile:
    recipe = next(
        recipe
        for recipe in catalogue()
        if recipe.name == label and isinstance(recipe.options, GgufOptions)
    )
    backend = tools.backends[recipe.options.backend]
    planned = plan_variant(checkpoint, recipe, None, backend, threads)
    variant = build_variant(
        planned,
        build_request(planned, checkpoint, None, settings.store),
        backend,
        tools.run_worker,
        ignore_progress,
    )
    return GgufFile(
        label=label, path=variant.artifact, bits_per_weight=variant.facts.file_bits_per_weight
    )


def _estimate(file: Path, text: Path, threads: int) -> Estimate:
    """Have llama.cpp measure a file.

    Raises:
        WorkerError: where it fails, or says no perplexity.
    """
    command = [str(_PROGRAM), "-m", str(file), "-f", str(text), "-t", str(threads)]
    command += ["-c", str(_WINDOW_TOKENS), "--chunks", str(_WINDOWS)]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_WAIT_POLICY": "passive"},
    )
    match = _ESTIMATE.search(result.stdout + result.stderr)
    if result.returncode or match is None:
        said = (result.stderr or result.stdout).strip().splitlines() or ["nothing"]
        raise WorkerError(f"llama-perplexity said no perplexity: {said[-1]}", where=str(file))
    return Estimate(perplexity=float(match[1]), error=float(match[2]))


def _row(file: GgufFile, estimate: Estimate, base: Estimate) -> str:
    published = PUBLISHED.get(file.label)
    above = 100 * (estimate.perplexity / base.perplexity - 1)
    cells = (
        file.label,
        f"{file.path.stat().st_size / _MEBIBYTE:.1f}",
        f"{published.mebibytes}" if published else "",
        f"{file.bits_per_weight:.2f}",
        f"{estimate.perplexity:.2f} ± {estimate.error:.2f}",
        f"{above:+.2f} %" if published else "",
        f"+{published.above} %" if published else f"perplexity {PUBLISHED_F16}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
