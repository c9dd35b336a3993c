"""A build, resolved: the frozen noun that units, verdicts and later commands read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.search import Search
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver, ContaminationWaiver
from quantgate.pipelines.files.records import record_digest
from quantgate.pipelines.variants.variant import PlannedVariant

SOURCE_RUNTIME = "transformers"
"""Where a checkpoint is judged that nothing is built of: it loads every format of checkpoint as it is."""

GGUF_SOURCE = "gguf-source"
"""What the GGUF file that a checkpoint was made of is called among the runtimes that are compared with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """A build, resolved: all that its verdicts depend on. Its key is its content identity.

    Without variants the checkpoint is judged on its own.
    """

    checkpoint: Checkpoint
    suite: Suite
    policy: Policy
    corpora: tuple[Corpus, ...]
    variants: tuple[PlannedVariant, ...]
    contracts: tuple[str, ...]
    """Canonical runtime identities and schedules in play, and the digest of the judging code."""
    servers: tuple[Server, ...] = ()
    """Servers that are asked, with the versions they had when this was planned."""
    source_runtime: str = SOURCE_RUNTIME
    """Where the checkpoint is judged if there are no variants."""
    contamination_waivers: tuple[ContaminationWaiver, ...] = ()
    """Those without which the corpus would have been refused."""
    base_divergence_waiver: BaseDivergenceWaiver | None = None
    """What lets a runtime judge whose base computes something else than the checkpoint, where it holds."""
    offload: bool = False
    """Whether weights that memory does not hold are read from the disk each time they are used."""
    search: Search | None = None
    """What a search may try, where these variants are all of it, or what it came to try."""
    speed: bool = False
    """Whether every variant is timed beside its base."""
    traffic: tuple[Path, ...] = ()
    """Files that the corpora draw from, as far as they lie on this machine: no part of the key."""
    anyway: bool = False
    """Whether to build also where nothing can pass: no part of the key, for it changes no verdict."""

    @property
    def key(self) -> Digest:
        """Identity of the build."""
        granted = self.base_divergence_waiver
        waived: list[JsonValue] = [record_digest(waiver) for waiver in self.contamination_waivers]
        return digest_of(
            {
                **({"contamination_waivers": waived} if waived else {}),
                **({"base_divergence_waiver": str(granted)} if granted else {}),
                **({"search": record_digest(self.search)} if self.search else {}),
                **({"speed": True} if self.speed else {}),
                **({"losses": list(self.checkpoint.losses)} if self.checkpoint.losses else {}),
                "name": self.checkpoint.name,
                "checkpoint": self.checkpoint.digests.combined,
                "suite": self.suite.digest,
                "adjudications": [record_digest(decision) for decision in self.suite.adjudications],
                "anchors": [record_digest(anchor) for anchor in self.suite.anchors],
                "policy": record_digest(self.policy),
                "variants": [variant.key for variant in self.variants],
                "contracts": list(self.contracts),
            }
        )

    @property
    def corpus(self) -> Corpus | None:
        """The first corpus: audits take texts from it for every variant alike."""
        return next(iter(self.corpora), None)

    def corpus_of(self, variant: PlannedVariant) -> Corpus | None:
        """Return what a variant is calibrated on, None where it takes nothing from a corpus."""
        return next((c for c in self.corpora if c.digest == variant.corpus_digest), None)

    @property
    def name(self) -> str:
        """Readable identity: model, suite and the beginning of the key."""
        return f"{self.checkpoint.name}--{self.suite.name}--{self.key[:12]}"

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Runtimes in play, in order of first use."""
        return runtimes_of([variant.recipe for variant in self.variants], self.source_runtime)

    @property
    def compared(self) -> tuple[str, ...]:
        """What is held against the checkpoint itself: all runtimes, before them the file it was made of."""
        return (*((GGUF_SOURCE,) if self.checkpoint.origin else ()), *self.runtimes)

    @property
    def served(self) -> frozenset[str]:
        """Runtimes in play that are servers, by name."""
        return frozenset(server.name for server in self.servers)

    def judges(self, builder: PlannedVariant) -> frozenset[str]:
        """Return the runtimes that judge the files which a variant's unit builds."""
        return frozenset(v.recipe.runtime for v in self.variants if self.builder(v) == builder)

    def variant(self, identifier: str) -> PlannedVariant:
        """Return one planned variant by its identifier."""
        return next(v for v in self.variants if v.identifier == identifier)

    def builder(self, variant: PlannedVariant) -> PlannedVariant:
        """Return the first variant with these very files: the one whose unit builds them."""
        return next(
            v
            for v in self.variants
            if (v.files_identifier, v.files_key) == (variant.files_identifier, variant.files_key)
        )


def runtimes_of(recipes: Sequence[Recipe], source_runtime: str) -> tuple[str, ...]:
    """Return the runtimes that recipes are judged in, in order of first use."""
    return tuple(dict.fromkeys(recipe.runtime for recipe in recipes)) or (source_runtime,)
