"""What evidence says of a version: the facts that its tags hold."""

from quantgate.pipelines.audit.served import kernels_of
from quantgate.pipelines.domain.foreign import UNKNOWN_CALIBRATION, ForeignOptions
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.speed import Speed
from quantgate.pipelines.domain.values import JsonValue, canonical_json, digest_of
from quantgate.pipelines.files.records import record_digest
from quantgate.registry.evidence import Evidence, JudgedTranscript
from quantgate.registry.facts import (
    FOREIGN,
    Digests,
    OriginFacts,
    RuntimeFacts,
    SpeedFacts,
    VersionFacts,
)
from quantgate.registry.tags import NONE


def _decode_text(evidence: Evidence) -> str:
    """Return how answers were sampled, as whoever serves a version has to sample them."""
    decode = evidence.verdict.contract.decode
    return canonical_json(
        {
            "max_tokens": decode.max_tokens,
            "temperature": decode.temperature,
            "seed": decode.seed,
            "stop": list(decode.stop),
            "template_variables": evidence.suite.template_variables,
        }
    )


def version_facts(evidence: Evidence) -> VersionFacts:
    """Return what a version's tags (and a run's) are to say."""
    variant, suite = evidence.variant, evidence.suite
    recipe, runtime = variant.recipe, evidence.verdict.contract.runtime
    counted = evidence.verdict.whole.statistics if evidence.verdict.whole else None
    return VersionFacts(
        identifier=variant.identifier,
        scheme=recipe.scheme,
        algorithm=recipe.algorithm,
        format=recipe.format.value,
        recipe=recipe.name,
        numerics=str(recipe.numerics),
        size_bytes=variant.size_bytes,
        bits_per_weight=variant.facts.bits_per_weight,
        file_bits_per_weight=variant.facts.file_bits_per_weight,
        verdict=evidence.verdict.decision.value,
        accuracy=counted.variant_accuracy if counted else None,
        reference_accuracy=counted.reference_accuracy if counted else None,
        tokens_per_second=evidence.tokens_per_second,
        source=evidence.checkpoint.source,
        suite_name=suite.name,
        suite=f"{suite.name}@{suite.version}",
        corpus=UNKNOWN_CALIBRATION if recipe.is_foreign else variant.corpus_label or NONE,
        runtime=RuntimeFacts(
            engine=runtime.engine,
            version=runtime.version,
            device=runtime.device,
            kv_cache=runtime.kv_cache,
            compute_dtype=runtime.compute_dtype,
            kernels=kernels_of(evidence.audit, runtime.kernels),
        ),
        location=str(variant.folder.absolute()),
        artifact=str(variant.artifact.absolute()),
        place=evidence.place,
        unproven_slices=evidence.verdict.unproven_slices,
        waiver=evidence.waiver,
        waiver_until=evidence.waiver_until,
        base_divergence=evidence.divergence_text,
        architecture=evidence.checkpoint.architecture,
        architecture_review=evidence.checkpoint.architecture_review,
        base_loss="; ".join(evidence.checkpoint.losses) or NONE,
        decode=_decode_text(evidence),
        scope=evidence.scope,
        subject_key=evidence.subject_key,
        version_key=evidence.version_key,
        evidence_key=evidence.key,
        digests=_digests(evidence),
        origin=_origin(recipe),
        speed=_speed(evidence.speed),
    )


def _speed(speed: Speed | None) -> SpeedFacts:
    figures = {figure.name: figure for figure in speed.figures} if speed else {}
    medians = {name: figure.variant.median for name, figure in figures.items()}
    ratios = {name: figure.ratio.median for name, figure in figures.items()}
    return SpeedFacts(
        generated_tokens_per_second=medians.get("generated_tokens_per_second"),
        prompt_tokens_per_second=medians.get("prompt_tokens_per_second"),
        first_token_seconds=medians.get("first_token_seconds"),
        peak_memory_bytes=medians.get("peak_memory_bytes"),
        ratio=ratios.get("generated_tokens_per_second"),
        prompt_ratio=ratios.get("prompt_tokens_per_second"),
        memory_ratio=ratios.get("peak_memory_bytes"),
    )


def _origin(recipe: Recipe) -> OriginFacts:
    options = recipe.options
    if not isinstance(options, ForeignOptions):
        return OriginFacts()
    return OriginFacts(
        made=FOREIGN,
        source=options.source,
        sha256=options.digest,
        claims="; ".join(map(str, options.claims)) or NONE,
    )


def _digests(evidence: Evidence) -> Digests:
    base, variant = evidence.checkpoint.digests, evidence.variant
    return Digests(
        weights=base.weights,
        tokenizer=base.tokenizer,
        chat_template=base.chat_template,
        config=base.config,
        corpus=variant.corpus_digest or NONE,
        recipe=record_digest(variant.recipe.placeless),
        toolchain=variant.toolchain.digest,
        variant_key=variant.key,
        files=variant.files_digest,
        manifest=variant.manifest_digest,
        suite=evidence.suite.digest,
        policy=evidence.policy_digest,
        runtime=record_digest(evidence.verdict.contract.runtime),
        references=_references_digest(evidence.references),
        transcript=evidence.transcript.digest if evidence.transcript else NONE,
    )


def _references_digest(references: tuple[JudgedTranscript, ...]) -> str:
    """One digest over the base's transcripts; its only one's where it has no repeats."""
    if not references:
        return NONE
    digests: list[JsonValue] = [reference.digest for reference in references]
    return references[0].digest if len(references) == 1 else digest_of(digests)
