"""What a registered version says of itself, and the one table of the MLflow tags that say it."""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.checkpoint import UNREVIEWED
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.base_accuracy import LOW_BASE_ACCURACY
from quantgate.registry.tags import (
    COUNT,
    NAMES,
    NONE,
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    FactTag,
    Renewal,
    facts_of,
    tags_of,
)

PASSED = "pass"
"""How a tag spells a passing verdict (`Decision.PASS`, without loading it for a look-up)."""

BUILT, FOREIGN = "built", "foreign"
"""Who made a version's files: this program, or somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """The chain of identities behind a version; all sha256.

    `corpus` is `none` where none was used; `manifest`, `runtime` (engine, version, device, types),
    `references` (the base's transcripts) and `transcript` for versions from before these had a digest.
    """

    weights: str
    tokenizer: str
    chat_template: str
    config: str
    corpus: str
    recipe: str
    toolchain: str
    variant_key: str
    files: str
    manifest: str
    suite: str
    policy: str
    runtime: str
    references: str
    transcript: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginFacts:
    """Who made a version's files (`built` or `foreign`), and of foreign ones where they were found.

    `sha256` is that of the file, of several one over all of them; `claims` is what they say of their making,
    which nobody here can check. All three are `none` for what was built here.
    """

    made: str = BUILT
    source: str = NONE
    sha256: str = NONE
    claims: str = NONE

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else made them."""
        return self.made == FOREIGN

    def __str__(self) -> str:
        if not self.is_foreign:
            return self.made
        claims = "claims nothing" if self.claims == NONE else f"claims {self.claims}"
        return f"made by somebody else, found at {self.source}; calibration unknown, it {claims}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFacts:
    """What answered when the verdict was made. `kernels`: see `RuntimeIdentity`."""

    engine: str
    version: str
    device: str
    kv_cache: str
    compute_dtype: str
    kernels: str

    def __str__(self) -> str:
        return (
            f"{self.engine} {self.version} on {self.device}, KV {self.kv_cache}, "
            f"{self.kernels} kernels"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFacts:
    """How fast a version is, one request at a time, as it was timed beside its base; None where it was not.

    Ratios are the version's share of its base's figure in the same run: `ratio` of tokens generated a second.
    Memory is the most that the process which answers had resident.
    """

    generated_tokens_per_second: float | None = None
    prompt_tokens_per_second: float | None = None
    first_token_seconds: float | None = None
    peak_memory_bytes: float | None = None
    ratio: float | None = None
    prompt_ratio: float | None = None
    memory_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """Everything a version's tags hold.

    `location` is the sealed folder of the variant and `artifact` the file or folder in it to load,
    both as paths on the machine (or shared file system) that registered it; a look-up resolves them in
    the store that is open. `place` is the address of the same files elsewhere (`registry.places`), or `none`.
    Versions that compete for one alias (same base, suite, policy) have one `scope`. `suite` and `corpus` are
    `name@version` (`none` where no corpus was used, `unknown` where somebody else made the files).
    `waiver_until` is the last day (ISO 8601) on which all that was waived holds, `none` where nothing was.
    `subject_key` is equal for verdicts of several suites on the same files in the same runtime: they share a
    version (`none` in versions from before they did).
    `base_divergence` is how far the base was from the checkpoint itself in that runtime, `none` where that
    was not measured. `architecture_review` is `reviewed`, `unreviewed` or, in versions from before it was
    recorded, `none`. `architecture` is the base's class, `none` likewise.
    `base_loss` is what the base's weights had lost before (`expanded from Q4_1 (…)`), `none` for nothing.
    Bits are those of the quantized weights and of all weights; accuracies are those of the variant and of
    its base on the suite, None where it was not asked. `decode` is how answers were sampled, as JSON, `none`
    in versions from before it was recorded. `tokens_per_second` is what it answered in one second of the run
    that was judged, all prompts side by side, on the machine that judged it; None where that tells nothing of
    its speed, or was not measured.
    """

    identifier: str
    scheme: str
    algorithm: str
    format: str
    recipe: str
    numerics: str
    size_bytes: int
    bits_per_weight: float
    file_bits_per_weight: float | None
    verdict: str
    accuracy: float | None
    reference_accuracy: float | None
    tokens_per_second: float | None
    source: str
    suite_name: str
    suite: str
    corpus: str
    runtime: RuntimeFacts
    location: str
    artifact: str
    place: str
    unproven_slices: tuple[str, ...]
    waiver: str
    waiver_until: str
    base_divergence: str
    architecture: str
    architecture_review: str
    base_loss: str
    decode: str
    scope: str
    subject_key: str
    version_key: str
    evidence_key: str
    digests: Digests
    origin: OriginFacts
    speed: SpeedFacts = SpeedFacts()

    @property
    def base_warning(self) -> str | None:
        """Say that the base itself is right too rarely for a pass to mean much; None where it is not."""
        base = self.reference_accuracy
        if base is None or base >= LOW_BASE_ACCURACY:
            return None
        return f"the base itself gets {base:.1%} of the items right: a pass says little"

    @property
    def base_note(self) -> str | None:
        """Say what the base had lost before, and that nobody reviewed its architecture; None for neither."""
        lost = () if self.base_loss == NONE else (self.base_loss,)
        review = (f"architecture: {UNREVIEWED}",) if self.architecture_review == UNREVIEWED else ()
        return "; ".join((*lost, *review)) or None


VERSION_TAGS = (
    FactTag("identifier"),
    FactTag("scheme", parameter=True),
    FactTag("algorithm", parameter=True, gathered=True),
    FactTag("format", parameter=True),
    FactTag("recipe", parameter=True),
    FactTag("numerics", parameter=True),
    FactTag("size_bytes", spelling=COUNT),
    FactTag("bits_per_weight", spelling=NUMBER, gathered=True),
    FactTag("file_bits_per_weight", spelling=OPTIONAL_NUMBER, absent=NONE, gathered=True),
    FactTag("verdict", of_a_suite=True, renewal=Renewal.NEWEST),
    FactTag("accuracy", spelling=OPTIONAL_NUMBER, absent=NONE, of_a_suite=True),
    FactTag(
        "reference_accuracy", spelling=OPTIONAL_NUMBER, absent=NONE, of_a_suite=True, gathered=True
    ),
    FactTag(
        "tokens_per_second", spelling=OPTIONAL_NUMBER, absent=NONE, of_a_suite=True, gathered=True
    ),
    *(
        FactTag(
            name,
            f"speed.{fact}",
            spelling=OPTIONAL_NUMBER,
            absent=NONE,
            of_a_suite=True,
            gathered=True,
            renewal=Renewal.ONCE_SAID,
        )
        for name, fact in (
            ("generated_tokens_per_second", "generated_tokens_per_second"),
            ("prompt_tokens_per_second", "prompt_tokens_per_second"),
            ("first_token_seconds", "first_token_seconds"),
            ("peak_memory_bytes", "peak_memory_bytes"),
            ("speed_ratio", "ratio"),
            ("prompt_speed_ratio", "prompt_ratio"),
            ("memory_ratio", "memory_ratio"),
        )
    ),
    FactTag("base_warning", spelling=OPTIONAL_TEXT, derived=True, of_a_suite=True, gathered=True),
    FactTag("source"),
    FactTag("suite_name", of_a_suite=True),
    FactTag("suite", parameter=True, of_a_suite=True),
    FactTag("corpus", parameter=True),
    FactTag("origin", "origin.made", absent=BUILT),
    FactTag("origin_source", "origin.source", absent=NONE, renewal=Renewal.PLACE, gathered=True),
    FactTag("origin_sha256", "origin.sha256", absent=NONE, gathered=True),
    FactTag("origin_claims", "origin.claims", absent=NONE, gathered=True),
    FactTag("runtime_engine", "runtime.engine"),
    FactTag("runtime_version", "runtime.version", gathered=True),
    FactTag("runtime_device", "runtime.device", gathered=True),
    FactTag("runtime_kv_cache", "runtime.kv_cache"),
    FactTag("runtime_compute_dtype", "runtime.compute_dtype", gathered=True),
    FactTag("runtime_kernels", "runtime.kernels", gathered=True),
    FactTag("location", renewal=Renewal.PLACE, gathered=True),
    FactTag("artifact", renewal=Renewal.PLACE, gathered=True),
    FactTag("place", absent=NONE, renewal=Renewal.ONCE_SAID, gathered=True),
    FactTag("unproven_slices", spelling=NAMES, of_a_suite=True, gathered=True),
    FactTag("waiver", of_a_suite=True, renewal=Renewal.ONCE_SAID, gathered=True),
    FactTag("waiver_until", absent=NONE, of_a_suite=True, renewal=Renewal.NEWEST, gathered=True),
    FactTag("base_divergence", absent=NONE, of_a_suite=True, renewal=Renewal.NEWEST, gathered=True),
    FactTag("architecture", absent=NONE, renewal=Renewal.NEWEST, gathered=True),
    FactTag("architecture_review", absent=NONE, renewal=Renewal.NEWEST, gathered=True),
    FactTag("base_loss", absent=NONE, renewal=Renewal.ONCE_SAID, gathered=True),
    FactTag("decode", absent=NONE, of_a_suite=True, gathered=True),
    FactTag("scope", of_a_suite=True),
    FactTag("subject_key", absent=NONE),
    FactTag("version_key", of_a_suite=True),
    FactTag("evidence_key", of_a_suite=True, gathered=True),
    FactTag("variant_key", "digests.variant_key", gathered=True),
    FactTag("files_digest", "digests.files"),
    FactTag(
        "manifest_digest", "digests.manifest", absent=NONE, renewal=Renewal.PLACE, gathered=True
    ),
    FactTag("base_weights_digest", "digests.weights", gathered=True),
    FactTag("base_tokenizer_digest", "digests.tokenizer", gathered=True),
    FactTag("base_chat_template_digest", "digests.chat_template", gathered=True),
    FactTag("base_config_digest", "digests.config", gathered=True),
    FactTag("corpus_digest", "digests.corpus", gathered=True),
    FactTag("recipe_digest", "digests.recipe", gathered=True),
    FactTag("toolchain_digest", "digests.toolchain", gathered=True),
    FactTag("suite_digest", "digests.suite", of_a_suite=True, gathered=True),
    FactTag("policy_digest", "digests.policy", of_a_suite=True, gathered=True),
    FactTag("runtime_digest", "digests.runtime", absent=NONE, gathered=True),
    FactTag("references_digest", "digests.references", absent=NONE, of_a_suite=True, gathered=True),
    FactTag("transcript_digest", "digests.transcript", absent=NONE, of_a_suite=True, gathered=True),
)
"""Every fact of a version, and tag of the run that judged it: a new fact is a field above and a row here."""


def to_tags(facts: VersionFacts) -> dict[str, str]:
    """Return the facts as tags."""
    return tags_of(VERSION_TAGS, facts)


def from_tags(tags: Mapping[str, str], where: str) -> VersionFacts:
    """Read the facts back; what versions from before this or that was recorded lack is `none`.

    Raises:
        InputError: where a version was not registered by this program, or its tags were altered.
    """
    try:
        facts = facts_of(VERSION_TAGS, tags)
    except ValueError as error:
        raise InputError(
            f"was not registered by quantgate, or its tags were altered ({error})",
            where=where,
            next_step="register it by building it: `quantgate quantize`",
        ) from error
    runtime, digests = RuntimeFacts(**facts.pop("runtime")), Digests(**facts.pop("digests"))
    origin, speed = OriginFacts(**facts.pop("origin")), SpeedFacts(**facts.pop("speed"))
    return VersionFacts(**facts, runtime=runtime, digests=digests, origin=origin, speed=speed)
