"""What one piece of evidence leaves in an MLflow run: parameters, metrics, inputs and small files."""

import shutil
from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.domain.registrable import metric_part
from quantgate.pipelines.domain.values import canonical_json
from quantgate.pipelines.domain.verdicts.verdict import PairedStatistics, PairOutcome, SliceVerdict
from quantgate.pipelines.files.records import write_record
from quantgate.pipelines.files.sealed import Manifest
from quantgate.registry.evidence import Evidence
from quantgate.registry.evidence_facts import version_facts
from quantgate.registry.facts import VERSION_TAGS, VersionFacts, to_tags
from quantgate.registry.markdown import flips_table, slices_table
from quantgate.registry.protocol import DatasetInput, RunContent

_LONGEST_PARAMETER = 500
"""What every MLflow server takes."""


def run_tags(facts: VersionFacts) -> dict[str, str]:
    """Return a run's tags: everything a version's tags say, so that failed variants are searchable too."""
    return to_tags(facts) | {
        "mlflow.source.name": "quantgate",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": _note(facts),
    }


def _note(facts: VersionFacts) -> str:
    """Return what the run's page says first."""
    share = ""
    if facts.accuracy is not None and facts.reference_accuracy is not None:
        share = f"It gets {facts.accuracy:.1%} of the items right, its base {facts.reference_accuracy:.1%}. "
    return (
        f"`{facts.identifier}` ({facts.numerics}, {facts.format}) held against its base on {facts.suite} in "
        f"{facts.runtime}: **{facts.verdict}**. {share}Artifacts: `report.html` is the decision page, "
        "`slices.md` the table by slice with the items that changed, `verdict.json` all of it."
    )


def run_content(evidence: Evidence) -> RunContent:
    """Return parameters, metrics and dataset inputs."""
    facts = version_facts(evidence)
    schedule, decode = evidence.verdict.contract.schedule, evidence.verdict.contract.decode
    policy = evidence.verdict.policy
    return RunContent(
        parameters={
            **{tag.name: tag.written(facts) for tag in VERSION_TAGS if tag.parameter},
            "runtime": str(facts.runtime),
            "slots": str(schedule.slots),
            "max_tokens": str(decode.max_tokens),
            "temperature": str(decode.temperature),
            "max_break_rate": str(policy.max_break_rate),
            "confidence": str(policy.confidence),
            **({"error_shares": str(policy.error_shares)} if policy.error_shares > 1 else {}),
            **_variables(evidence),
        },
        metrics=_metrics(evidence),
        inputs=_inputs(evidence),
        build_metrics=_build_metrics(evidence),
    )


def _variables(evidence: Evidence) -> dict[str, str]:
    given = evidence.suite.template_variables
    return {"template_variables": canonical_json(given)[:_LONGEST_PARAMETER]} if given else {}


def write_files(evidence: Evidence, manifest: Manifest[object], folder: Path) -> None:
    """Write what the run keeps as files; of the answers only those that broke or were fixed."""
    verdict = evidence.verdict
    flips = tuple(i for i in verdict.items if i.outcome in (PairOutcome.BROKE, PairOutcome.FIXED))
    write_record(folder / "verdict.json", replace(verdict, items=flips))
    write_record(folder / "audit.json", evidence.audit)
    write_record(folder / "variant.json", manifest)
    tables = f"{slices_table(verdict)}\n\n{flips_table(verdict)}\n"
    (folder / "slices.md").write_text(tables, encoding="utf-8")
    if evidence.report is not None:
        shutil.copyfile(evidence.report, folder / "report.html")


def _build_metrics(evidence: Evidence) -> dict[str, float]:
    variant = evidence.variant
    metrics = {
        "size_bytes": float(variant.size_bytes),
        "bits_per_weight": variant.facts.bits_per_weight,
        "file_bits_per_weight": variant.facts.file_bits_per_weight,
        "calibration_tokens": float(variant.facts.calibration_tokens),
        "build_seconds": variant.facts.seconds,
        "audit_misses": float(len(evidence.audit.misses)),
    }
    if (base := evidence.base_divergence) is not None:
        metrics |= {"base_mean_kl": base.mean_kl, "base_worst_kl": base.worst.mean_kl}
    return metrics | _speed_metrics(evidence)


def _speed_metrics(evidence: Evidence) -> dict[str, float]:
    """Return every figure that was timed: the variant's, and its share of the base's with the spread."""
    metrics: dict[str, float] = {}
    for figure in evidence.speed.figures if evidence.speed else ():
        metrics |= {
            f"speed/{figure.name}": figure.variant.median,
            f"speed/{figure.name}_base": figure.base.median,
            f"speed/{figure.name}_ratio": figure.ratio.median,
            f"speed/{figure.name}_ratio_low": figure.ratio.low,
            f"speed/{figure.name}_ratio_high": figure.ratio.high,
        }
    return metrics


def _metrics(evidence: Evidence) -> dict[str, float]:
    verdict = evidence.verdict
    metrics: dict[str, float] = {}
    whole: SliceVerdict | None = verdict.whole
    if whole is not None:
        metrics |= _statistics(whole.statistics, "")
    for judged in verdict.slices:
        metrics |= _statistics(judged.statistics, f"slice/{metric_part(judged.name)}/")
    return metrics


def _statistics(statistics: PairedStatistics, prefix: str) -> dict[str, float]:
    values = {
        "items": statistics.items,
        "reliable": statistics.reliable,
        "unstable": statistics.unstable,
        "accuracy_reference": statistics.reference_accuracy,
        "accuracy_variant": statistics.variant_accuracy,
        "delta": statistics.delta,
        "delta_low": statistics.delta_interval.low,
        "delta_high": statistics.delta_interval.high,
        "broke": statistics.broke,
        "fixed": statistics.fixed,
        "break_rate": statistics.break_rate,
        "break_rate_bound": statistics.break_rate_bound,
        "mcnemar_p": statistics.mcnemar_p,
    }
    values |= {f"broke_as/{way.way.replace(' ', '_')}": way.count for way in statistics.broke_ways}
    return {f"{prefix}{name}": float(value) for name, value in values.items()}


def _inputs(evidence: Evidence) -> tuple[DatasetInput, ...]:
    suite, variant = evidence.suite, evidence.variant
    inputs = [
        DatasetInput(
            role="evaluation",
            name=f"{suite.name}@{suite.version}",
            sha256=suite.digest,
            source=str(suite.folder),
        )
    ]
    if variant.corpus_label and variant.corpus_digest:
        label, digest = variant.corpus_label, variant.corpus_digest
        inputs.append(DatasetInput(role="calibration", name=label, sha256=digest, source=label))
    return tuple(inputs)
