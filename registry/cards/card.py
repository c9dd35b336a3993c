"""A version's model card: metadata by huggingface-hub's own classes, then what a person wants to know.

Form: https://huggingface.co/docs/hub/model-cards and .../eval-results. Of items that changed it says which,
and how; what was asked and answered stays with whoever has the suite.
"""

import re
from dataclasses import dataclass

import yaml
from huggingface_hub import (
    EvalResult,
    EvalResultEntry,
    ModelCardData,
    eval_result_entries_to_yaml,
)

from quantgate.pipelines.domain.verdicts.verdict import Verdict
from quantgate.registry.cards.serving import serving_section
from quantgate.registry.facts import PASSED, VersionFacts
from quantgate.registry.markdown import flips_table, slices_table, table
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.tags import NONE

_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@[0-9a-f]{40}", re.ASCII)
_TASK = "text-generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContent:
    """What a card is written from. `verdict` holds the items that changed, and no others.

    `repository` is where it is to be published, `artifact` the file or folder in it that a runtime loads,
    empty for the repository itself.
    """

    version: RegisteredVersion
    verdict: Verdict
    repository: str
    artifact: str

    @property
    def facts(self) -> VersionFacts:
        """What is registered of the version."""
        return self.version.facts


def model_card(content: CardContent) -> str:
    """Return the card, README.md of the repository."""
    sections = (
        _head(content),
        _numerics(content.facts),
        f"## Verdict\n\n{slices_table(content.verdict)}",
        f"## Flips\n\n{flips_table(content.verdict)}",
        _calibration(content.facts),
        _limits(content),
        serving_section(content.facts, content.repository, content.artifact),
        _reproduction(content),
    )
    return f"---\n{_metadata(content).to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"


def evaluation_results(content: CardContent) -> str:
    """Return what `.eval_results/quantgate.yaml` holds: one entry for the suite, one for each slice."""
    verdict = content.verdict
    rows = [(scope.name, scope.statistics) for scope in verdict.slices]
    if verdict.whole is not None:
        rows.insert(0, ("all", verdict.whole.statistics))
    entries = [
        EvalResultEntry(
            dataset_id=content.facts.suite_name,
            task_id=name,
            value=round(100 * counted.variant_accuracy, 4),
            notes=f"base {100 * counted.reference_accuracy:.2f}, {counted.items} items, "
            f"{content.facts.suite}, {content.facts.runtime}",
        )
        for name, counted in rows
    ]
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)


def base_repository(facts: VersionFacts) -> str | None:
    """Return the repository that the base came from; None for a folder, whose path is nobody's business."""
    match = _REPOSITORY.fullmatch(facts.source)
    return match["name"] if match else None


def _metadata(content: CardContent) -> ModelCardData:
    facts, base = content.facts, base_repository(content.facts)
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=facts.suite_name,
            dataset_name=f"{facts.suite} ({facts.digests.suite[:12]})",
            metric_type="accuracy",
            metric_name=name,
            metric_value=round(value, 6),
        )
        for name, value in (
            ("accuracy", facts.accuracy),
            ("accuracy of the base", facts.reference_accuracy),
        )
        if value is not None
    ]
    metadata = ModelCardData(
        model_name=facts.identifier,
        base_model=base,
        library_name="gguf" if facts.format == "gguf" else "transformers",
        pipeline_tag=_TASK,
        tags=["quantgate", facts.format, facts.scheme.lower(), facts.numerics],
        eval_results=results or None,
    )
    if base:
        metadata["base_model_relation"] = "quantized"
    return metadata


def _head(content: CardContent) -> str:
    facts = content.facts
    base = base_repository(facts) or "a checkpoint that was not published"
    outcome = (
        f"and registered because it **passed** `{facts.suite}` in {facts.runtime}."
        if facts.verdict == PASSED
        else f"and does **not** pass `{facts.suite}` in {facts.runtime} ({facts.verdict}). That was waived: "
        f"{facts.waiver}."
    )
    return (
        f"# {facts.identifier}\n\n{facts.scheme} ({facts.format}) of {base}, quantized, held against its "
        f"base item by item, {outcome}"
    )


def _numerics(facts: VersionFacts) -> str:
    whole = facts.file_bits_per_weight
    bits = f"{facts.bits_per_weight:.2f} of quantized weights"
    rows = (
        ("weights / activations / KV cache", facts.numerics),
        ("bits a weight", bits if whole is None else f"{bits}, {whole:.2f} of all"),
        ("size", f"{facts.size_bytes:,} bytes"),
        ("algorithm", facts.algorithm),
        ("recipe", facts.recipe),
    )
    return "## Numerics\n\n" + table(("", ""), rows)


def _calibration(facts: VersionFacts) -> str:
    if facts.corpus == NONE:
        return "## Calibration\n\nNothing was calibrated."
    digest = "" if facts.digests.corpus == NONE else f", digest `{facts.digests.corpus}`"
    return f"## Calibration\n\n`{facts.corpus}`{digest}."


def _limits(content: CardContent) -> str:
    facts = content.facts
    limits = [
        f"The verdict holds for `{facts.suite}` in {facts.runtime}, and for no other task or runtime.",
        *(f"Slice `{name}` is too small to prove anything." for name in facts.unproven_slices),
        *([facts.base_warning] if facts.base_warning else []),
        *([facts.base_note] if facts.base_note else []),
        *([f"Waived: {facts.waiver}."] if facts.waiver != NONE else []),
        *([str(facts.origin)] if facts.origin.is_foreign else []),
    ]
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits)


def _reproduction(content: CardContent) -> str:
    facts, digests = content.facts, content.facts.digests
    base = base_repository(facts)
    rows = [
        ("base weights", digests.weights), ("tokenizer", digests.tokenizer),
        ("chat template", digests.chat_template), ("recipe", digests.recipe), ("corpus", digests.corpus),
        ("toolchain", digests.toolchain), ("suite", digests.suite), ("policy", digests.policy),
        ("files", digests.files), ("evidence", facts.evidence_key),
    ]  # fmt: skip
    command = f"quantgate quantize {facts.source if base else 'MODEL'} --suite SUITE --recipes {facts.recipe}"
    if facts.corpus != NONE and not facts.origin.is_foreign:
        command += " --corpus CORPUS"
    return f"## Reproduce\n\n```sh\n{command}\n```\n\nDigests of contents:\n\n" + table(
        ("what", "digest"), [(what, f"`{digest}`") for what, digest in rows]
    )
