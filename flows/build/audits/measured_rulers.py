"""Rulers of a build: measured together, once for a base and its tokens, and sealed each on its own."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.audits.base_logits import kept_logits, logits_key
from quantgate.flows.build.site import BuildSite
from quantgate.pipelines.audit.divergence import DIVERGENCE_TOKENS
from quantgate.pipelines.audit.rulers import ruler_of
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.domain.verdicts.ruler import Ruler
from quantgate.pipelines.engines.divergence.rulers import RulersRequest
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.files.locks import exclusive
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import is_sealed, produce_once, read_manifest
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.report.wording import plural

_RUNTIME = "transformers"
"""What rulers are emulated in."""
_SOURCES = (
    "quantgate.pipelines.engines.transformers.workers.divergence",
    "quantgate.pipelines.engines.transformers.workers.rulers",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulerRecord:
    """What stands in a sealed ruler's manifest."""

    ruler: Ruler
    divergence: Divergence


def measured_ruler(
    site: BuildSite, runtime_name: str, ruler: Ruler, tokens: tuple[Path, Digest]
) -> Divergence:
    """Return a ruler's divergence from the base at these tokens.

    The first variant that asks has all rulers of its runtime measured: the base is then run once.

    Raises:
        CheckpointError, ToolchainError, WorkerError: from the worker.
    """
    wanted = {
        ruler: None,
        **{
            ruler_of(variant.recipe): None
            for variant in site.plan.variants
            if variant.recipe.runtime == runtime_name
        },
    }
    with exclusive(site.scratch / f".rulers-{tokens[1][:16]}.lock"):
        missing = tuple(r for r in wanted if not is_sealed(_folder(site, r, tokens[1])))
        for each, divergence in zip(missing, _measure(site, missing, tokens), strict=True):
            _seal(site, RulerRecord(ruler=each, divergence=divergence), tokens[1])
    return read_manifest(_folder(site, ruler, tokens[1]), RulerRecord).record.divergence


def _measure(
    site: BuildSite, rulers: tuple[Ruler, ...], tokens: tuple[Path, Digest]
) -> tuple[Divergence, ...]:
    if not rulers:
        return ()
    with site.show("audit", plural(len(rulers), "ruler")) as progress:
        return site.tools.measure_rulers(
            RulersRequest(
                base=site.plan.checkpoint.folder,
                rulers=rulers,
                sequences=tokens[0],
                max_tokens=DIVERGENCE_TOKENS,
                threads=site.settings.threads,
                log=site.settings.store.logs / "rulers.log",
                base_logits=_kept(site, tokens[1]),
            ),
            site.tools.run_worker,
            progress,
        )


def _kept(site: BuildSite, tokens_digest: Digest) -> Path | None:
    """Return where the base's logits are kept; None where nobody asks for them after the rulers."""
    numerics, runtimes = site.plan.checkpoint.numerics, site.tools.runtimes
    names = {variant.recipe.runtime for variant in site.plan.variants}
    measuring = {runtimes[name].divergence_digest(numerics) for name in names}
    if runtimes[_RUNTIME].divergence_digest(numerics) not in measuring:
        return None
    return kept_logits(site, _RUNTIME, _base(site), tokens_digest)


def _base(site: BuildSite) -> Loadable:
    return Loadable(path=site.plan.checkpoint.folder, format=None)


def _folder(site: BuildSite, ruler: Ruler, tokens_digest: Digest) -> Path:
    measured_on = logits_key(site, _RUNTIME, _base(site), tokens_digest)
    key = digest_of([to_json(ruler), measured_on, source_digest(*_SOURCES)])
    return site.scratch / f"ruler-{key[:16]}"


def _seal(site: BuildSite, record: RulerRecord, tokens_digest: Digest) -> None:
    folder = _folder(site, record.ruler, tokens_digest)
    produce_once(folder, RulerRecord, lambda _: record)
