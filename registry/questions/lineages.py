"""Lineage: from a registered version back to the base, by digest."""

from dataclasses import dataclass

from quantgate.pipelines.files.store import open_store
from quantgate.registry.corpora.experiments import card_line, recorded_corpus
from quantgate.registry.facts import OriginFacts, VersionFacts
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import OpenReader, TaggedRun
from quantgate.registry.questions.references import resolve
from quantgate.registry.questions.versions import RegisteredVersion, with_drift
from quantgate.registry.tags import NONE
from quantgate.registry.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageStep:
    """One link: what it is (`corpus`), what it is called, and its digest (`none` where there is none)."""

    kind: str
    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A version's whole chain, base first."""

    found: RegisteredVersion
    steps: tuple[LineageStep, ...]

    @property
    def answer(self) -> str:
        """Which calibration corpus was this quantized against? In one sentence."""
        facts = self.found.facts
        subject = f"{self.found.model} version {self.found.version} ({facts.identifier})"
        if facts.origin.is_foreign:
            return f"{subject} was {facts.origin}."
        if facts.corpus == NONE:
            return f"{subject} was quantized without a calibration corpus."
        return (
            f"{subject} was quantized against calibration corpus {facts.corpus} "
            f"(sha256 {facts.digests.corpus})."
        )

    def describe(self) -> str:
        """Return the answer on its first line, then the chain, one link a line with its digest."""
        width = max(len(step.kind) for step in self.steps)
        names = max(len(step.name) for step in self.steps)
        lines = [
            f"  {step.kind:<{width}}  {step.name:<{names}}  {step.digest}".rstrip()
            for step in self.steps
        ]
        return "\n".join([self.answer, *lines])


def lineage(reference: str, *, tracking_uri: str | None = None) -> Lineage:
    """Return the lineage of `NAME`, `NAME@ALIAS` or `NAME/VERSION` (a `models:/` before it is fine).

    A bare name means its only alias, else its newest version.

    Raises:
        InputError: the reference is malformed, or the version is not of this program's making, or its tags
            were altered.
        NotFoundError: no such model, alias or version; it says what there is instead.
        ServiceError: the registry did not answer, or refused.
    """
    return trace(reference, Tracking.resolve(open_store(), uri=tracking_uri))


def trace(reference: str, tracking: Tracking, *, open_reader: OpenReader = open_reader) -> Lineage:
    """Return what `lineage` does, from the registry that `open_reader` opens."""
    with open_reader(tracking) as reader:
        registered = with_drift(resolve(reader, reference, tracking), reader)
        corpus = recorded_corpus(reader, registered.facts.corpus, registered.facts.digests.corpus)
    return Lineage(found=registered, steps=_steps(registered, corpus))


def _steps(version: RegisteredVersion, corpus: TaggedRun | None) -> tuple[LineageStep, ...]:
    facts, digests = version.facts, version.facts.digests
    chain = (
        ("base weights", _source(facts), digests.weights),
        ("base tokenizer", "", digests.tokenizer),
        ("base chat template", "", digests.chat_template),
        ("base config", "", digests.config),
        ("calibration corpus", facts.corpus, digests.corpus),
        *_corpus_steps(version, corpus),
        *_origin_steps(facts.origin),
        ("recipe", f"{facts.recipe}: {facts.scheme}, {facts.algorithm}", digests.recipe),
        ("toolchain", "", digests.toolchain),
        ("variant", f"{facts.identifier} ({facts.numerics})", digests.variant_key),
        ("files", f"{facts.size_bytes:,} bytes {facts.format}", digests.files),
        ("suite", facts.suite, digests.suite),
        ("policy", "", digests.policy),
        ("runtime", str(facts.runtime), ""),
        ("base in it", _base_divergence(facts.base_divergence), ""),
        ("verdict", _verdict(version), facts.evidence_key),
        *([("facts", note, "")] if (note := version.seal_note) else []),
    )
    return tuple(LineageStep(kind=kind, name=name, digest=digest) for kind, name, digest in chain)


def _source(facts: VersionFacts) -> str:
    return f"{facts.source} ({facts.base_note})" if facts.base_note else facts.source


def _origin_steps(origin: OriginFacts) -> list[tuple[str, str, str]]:
    """Where files of others were found, with their sha256, and what they say of their making."""
    if not origin.is_foreign:
        return []
    return [("found at", origin.source, origin.sha256), ("it claims", origin.claims, "")]


def _base_divergence(divergence: str) -> str:
    return (
        "not held against the checkpoint"
        if divergence == NONE
        else f"{divergence} from the checkpoint"
    )


def _corpus_steps(
    version: RegisteredVersion, corpus: TaggedRun | None
) -> list[tuple[str, str, str]]:
    """What MLflow holds of the corpus besides its name: its data card, and how far traffic has moved."""
    steps = []
    if corpus is not None:
        steps.append(("corpus card", card_line(corpus), f"run {corpus.id}"))
    if version.drift is not None:
        steps.append(("traffic since", str(version.drift), version.drift.key))
    return steps


def _verdict(version: RegisteredVersion) -> str:
    unproven = ", ".join(version.facts.unproven_slices)
    waiver = "" if version.facts.waiver == NONE else f", waiver {version.facts.waiver}"
    return version.facts.verdict + (f", unproven: {unproven}" if unproven else "") + waiver
