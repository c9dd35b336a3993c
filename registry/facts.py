"""What a registered version says of itself: facts to MLflow tags and back, in one place.

Tags are flat strings, so that MLflow's own pages and search (`tags.format = 'gguf'`) can use them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.base_accuracy import LOW_BASE_ACCURACY

PASSED = "pass"
"""How a tag spells a passing verdict (`Decision.PASS`, without loading it for a look-up)."""

NONE = "none"
"""How a tag spells that there is nothing: no corpus, no unproven slice, no waiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """The chain of identities behind a version; all sha256.

    `corpus` is `none` where none was used, `manifest` for versions from before manifests had a digest.
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
class VersionFacts:
    """Everything a version's tags hold.

    `location` is the sealed folder of the variant and `artifact` the file or folder in it to load,
    both as paths on the machine (or shared file system) that registered it; a look-up resolves them in
    the store that is open. `scope` is equal for
    versions that compete for one alias: same base, suite digest and policy. `suite` and `corpus` are
    `name@version` (`none` where no corpus was used). `base_divergence` is how far the base was from the
    checkpoint itself in that runtime, `none` where that was not measured.
    Bits are those of the quantized weights and of all weights; accuracies are those of the variant and of
    its base on the suite, None where it was not asked.
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
    source: str
    suite_name: str
    suite: str
    corpus: str
    runtime: RuntimeFacts
    location: str
    artifact: str
    unproven_slices: tuple[str, ...]
    waiver: str
    base_divergence: str
    scope: str
    version_key: str
    evidence_key: str
    digests: Digests

    @property
    def base_warning(self) -> str | None:
        """Say that the base itself is right too rarely for a pass to mean much; None where it is not."""
        base = self.reference_accuracy
        if base is None or base >= LOW_BASE_ACCURACY:
            return None
        return f"the base itself gets {base:.1%} of the items right: a pass says little"


PLACE_TAGS = ("location", "artifact", "manifest_digest")
"""Tags that say where the very same bytes lie now; recording them again refreshes these and no other."""


def to_tags(facts: VersionFacts) -> dict[str, str]:
    """Return the facts as tags."""
    runtime, digests = facts.runtime, facts.digests
    return {
        "identifier": facts.identifier,
        "scheme": facts.scheme,
        "algorithm": facts.algorithm,
        "format": facts.format,
        "recipe": facts.recipe,
        "numerics": facts.numerics,
        "size_bytes": str(facts.size_bytes),
        "bits_per_weight": _optional(facts.bits_per_weight),
        "file_bits_per_weight": _optional(facts.file_bits_per_weight),
        "verdict": facts.verdict,
        "accuracy": _optional(facts.accuracy),
        "reference_accuracy": _optional(facts.reference_accuracy),
        "base_warning": facts.base_warning or NONE,
        "source": facts.source,
        "suite_name": facts.suite_name,
        "suite": facts.suite,
        "corpus": facts.corpus,
        "runtime_engine": runtime.engine,
        "runtime_version": runtime.version,
        "runtime_device": runtime.device,
        "runtime_kv_cache": runtime.kv_cache,
        "runtime_compute_dtype": runtime.compute_dtype,
        "runtime_kernels": runtime.kernels,
        "location": facts.location,
        "artifact": facts.artifact,
        "unproven_slices": ",".join(facts.unproven_slices) or NONE,
        "waiver": facts.waiver,
        "base_divergence": facts.base_divergence,
        "scope": facts.scope,
        "version_key": facts.version_key,
        "evidence_key": facts.evidence_key,
        "variant_key": digests.variant_key,
        "files_digest": digests.files,
        "manifest_digest": digests.manifest,
        "base_weights_digest": digests.weights,
        "base_tokenizer_digest": digests.tokenizer,
        "base_chat_template_digest": digests.chat_template,
        "base_config_digest": digests.config,
        "corpus_digest": digests.corpus,
        "recipe_digest": digests.recipe,
        "toolchain_digest": digests.toolchain,
        "suite_digest": digests.suite,
        "policy_digest": digests.policy,
    }


def from_tags(tags: Mapping[str, str], where: str) -> VersionFacts:
    """Read the facts back; what versions from before this or that was recorded lack is `none`.

    Raises:
        InputError: where a version was not registered by this program, or its tags were altered.
    """
    try:
        unproven = tags["unproven_slices"]
        return VersionFacts(
            identifier=tags["identifier"],
            scheme=tags["scheme"],
            algorithm=tags["algorithm"],
            format=tags["format"],
            recipe=tags["recipe"],
            numerics=tags["numerics"],
            size_bytes=int(tags["size_bytes"]),
            bits_per_weight=float(tags["bits_per_weight"]),
            file_bits_per_weight=_number(tags.get("file_bits_per_weight", NONE)),
            verdict=tags["verdict"],
            accuracy=_number(tags.get("accuracy", NONE)),
            reference_accuracy=_number(tags.get("reference_accuracy", NONE)),
            source=tags["source"],
            suite_name=tags["suite_name"],
            suite=tags["suite"],
            corpus=tags["corpus"],
            runtime=_runtime(tags),
            location=tags["location"],
            artifact=tags["artifact"],
            unproven_slices=() if unproven == NONE else tuple(unproven.split(",")),
            waiver=tags["waiver"],
            base_divergence=tags.get("base_divergence", NONE),
            scope=tags["scope"],
            version_key=tags["version_key"],
            evidence_key=tags["evidence_key"],
            digests=_digests(tags),
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"was not registered by quantgate, or its tags were altered ({error})",
            where=where,
            next_step="register it by building it: `quantgate quantize`",
        ) from error


def _optional(number: float | None) -> str:
    """Write a number with more digits than anybody is shown: one that is rounded twice is another number."""
    return NONE if number is None else f"{number:.10g}"


def _number(text: str) -> float | None:
    """Read a number that older versions do not have."""
    return None if text == NONE else float(text)


def _runtime(tags: Mapping[str, str]) -> RuntimeFacts:
    return RuntimeFacts(
        engine=tags["runtime_engine"],
        version=tags["runtime_version"],
        device=tags["runtime_device"],
        kv_cache=tags["runtime_kv_cache"],
        compute_dtype=tags["runtime_compute_dtype"],
        kernels=tags["runtime_kernels"],
    )


def _digests(tags: Mapping[str, str]) -> Digests:
    return Digests(
        weights=tags["base_weights_digest"],
        tokenizer=tags["base_tokenizer_digest"],
        chat_template=tags["base_chat_template_digest"],
        config=tags["base_config_digest"],
        corpus=tags["corpus_digest"],
        recipe=tags["recipe_digest"],
        toolchain=tags["toolchain_digest"],
        variant_key=tags["variant_key"],
        files=tags["files_digest"],
        manifest=tags.get("manifest_digest", NONE),
        suite=tags["suite_digest"],
        policy=tags["policy_digest"],
    )
