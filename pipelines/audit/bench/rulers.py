"""Rulers of a build: measured together, once for a base and its tokens, and sealed each on its own."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.audit.bench.bench import AuditBench
from quantgate.pipelines.audit.bench.logits import kept_logits, logits_key
from quantgate.pipelines.audit.divergence import DIVERGENCE_TOKENS
from quantgate.pipelines.audit.rulers import ruler_on
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.ruler import Ruler
from quantgate.pipelines.engines.divergence.rulers import RulersRequest
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import read_manifest, seal, staged
from quantgate.pipelines.files.sources import source_digest

_RUNTIME = "transformers"
"""What rulers are emulated in."""
_SOURCES = (
    "quantgate.pipelines.engines.transformers.workers.divergence",
    "quantgate.pipelines.engines.transformers.workers.rulers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceTokens:
    """Tokens that divergence is measured on (`DivergenceRequest.sequences`), and their digest."""

    file: Path
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RulerRecord:
    """What stands in a sealed ruler's manifest."""

    ruler: Ruler
    divergence: Divergence


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRulers:
    """The rulers of all recipes that a build makes of one base."""

    bench: AuditBench
    recipes: tuple[Recipe, ...]

    def divergence(self, ruler: Ruler, runtime_name: str, tokens: DivergenceTokens) -> Divergence:
        """Return a ruler's divergence from the base at these tokens.

        The first variant that asks has all rulers of its runtime measured: the base is then run once.

        Raises:
            CheckpointError, ToolchainError, WorkerError: from the worker.
        """
        together = {
            ruler: None,
            **{
                ruler_on(self.bench.checkpoint, r): None
                for r in self.recipes
                if r.runtime == runtime_name
            },
        }
        by_folder = {self._folder(each, tokens): each for each in together}
        with ExitStack() as stack:
            missing: dict[Ruler, Path] = {}
            for folder in sorted(
                by_folder
            ):  # in one order, so that nobody has what another waits for
                if staging := stack.enter_context(staged(folder)):
                    missing[by_folder[folder]] = staging
            divergences = self._measure(tuple(missing), tokens)
            for (each, staging), divergence in zip(missing.items(), divergences, strict=True):
                seal(staging, RulerRecord(ruler=each, divergence=divergence))
        return read_manifest(self._folder(ruler, tokens), RulerRecord).record.divergence

    def _measure(
        self, rulers: tuple[Ruler, ...], tokens: DivergenceTokens
    ) -> tuple[Divergence, ...]:
        if not rulers:
            return ()
        bench = self.bench
        with bench.show("audit", _counted(rulers)) as progress:
            return bench.measure_rulers(
                RulersRequest(
                    base=bench.checkpoint.folder,
                    rulers=rulers,
                    sequences=tokens.file,
                    max_tokens=DIVERGENCE_TOKENS,
                    threads=bench.threads,
                    log=bench.store.logs / "rulers.log",
                    base_logits=self._base_logits(tokens),
                    residence=bench.residence(None),
                ),
                bench.run_worker,
                progress,
            )

    def _base_logits(self, tokens: DivergenceTokens) -> Path | None:
        """Return where the base's logits are kept; None where nobody asks for them after the rulers."""
        numerics, runtimes = self.bench.checkpoint.numerics, self.bench.runtimes
        names = {recipe.runtime for recipe in self.recipes}
        measuring = {runtimes[name].divergence_digest(numerics) for name in names}
        if runtimes[_RUNTIME].divergence_digest(numerics) not in measuring:
            return None
        return kept_logits(self.bench, _RUNTIME, self._base, tokens.digest)

    @property
    def _base(self) -> Loadable:
        return Loadable(path=self.bench.checkpoint.folder, format=None)

    def _folder(self, ruler: Ruler, tokens: DivergenceTokens) -> Path:
        measured_on = logits_key(self.bench, _RUNTIME, self._base, tokens.digest)
        key = digest_of([to_json(ruler), measured_on, source_digest(*_SOURCES)])
        return self.bench.scratch / f"ruler-{key[:16]}"


def _counted(rulers: tuple[Ruler, ...]) -> str:
    return f"{len(rulers)} ruler{'' if len(rulers) == 1 else 's'}"
