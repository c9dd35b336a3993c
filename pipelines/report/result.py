"""The whole result as JSON: versioned, complete, the same keys whatever happened."""

from dataclasses import asdict

from quantgate.pipelines.domain.checkpoint import StoredQuantization
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.run import Run
from quantgate.pipelines.domain.speed import Speed
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.verdict import (
    PairedItem,
    PairOutcome,
    SliceVerdict,
    Verdict,
)
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.report.build_report import BaseReport, BuildReport, VariantReport
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from quantgate.pipelines.report.corpus_comparison import corpus_comparisons
from quantgate.pipelines.report.facets import facet_rows
from quantgate.pipelines.report.ledger.flips import listed_pairs
from quantgate.pipelines.report.predictions.foretold import foretold_breaks
from quantgate.pipelines.report.references import (
    ReferenceSummary,
    RuntimeDifference,
    reference_summaries,
    runtime_differences,
)
from quantgate.pipelines.report.search_summary import search_summary
from quantgate.pipelines.report.summary import base_warnings, decision_word, reference_rows

SCHEMA = "quantgate.result/1"


def result_json(report: BuildReport) -> JsonObject:
    """Return a build's result as plain JSON values.

    Keys are only ever added within one schema version. What is not known is null; nothing is left out
    but raw answers that did not change, which stand in the transcripts that `run_key` names.
    """
    smallest = report.smallest_passing
    search, foretold = search_summary(report), foretold_breaks(report)
    return {
        "schema": SCHEMA,
        "build": report.build,
        "created_at": report.created_at.isoformat(),
        "decision": report.decision.value if report.decision else None,
        "smallest_passing": smallest.identifier if smallest else None,
        "model": _model(report),
        "corpus": _corpus(report.corpora[0]) if report.corpora else None,
        "corpora": [_corpus(corpus) for corpus in report.corpora],
        "contamination_waivers": [to_json(waiver) for waiver in report.contamination_waivers],
        "corpus_comparisons": [asdict(each) for each in corpus_comparisons(report)],
        "suite": _suite(report),
        "policy": to_json(report.policy),
        "search": asdict(search) if search else None,
        "foretold": asdict(foretold) if foretold else None,
        "references": [_reference(summary) for summary in reference_summaries(report)],
        "runtime_differences": [_difference(d) for d in runtime_differences(report)],
        "variants": [_variant(variant) for variant in report.variants],
        "base_failures": list(report.base_failures),
        "bases": [_base(base) for base in report.bases],
        "base_warnings": list(base_warnings(reference_rows(report))),
    }


def _model(report: BuildReport) -> JsonValue:
    checkpoint = report.checkpoint
    return {
        "name": checkpoint.name,
        "source": checkpoint.source,
        "architecture": checkpoint.architecture,
        "architecture_review": checkpoint.architecture_review,
        "notes": list(checkpoint_notes(checkpoint)),
        "dtype": checkpoint.dtype,
        "quantization": _quantization(checkpoint.quantization),
        "losses": list(checkpoint.losses),
        "gguf_source": to_json(checkpoint.origin) if checkpoint.origin else None,
        "parameter_count": checkpoint.parameter_count,
        "size_bytes": checkpoint.size_bytes,
        "digest": checkpoint.digests.combined,
        "digests": to_json(checkpoint.digests),
    }


def _quantization(stored: StoredQuantization | None) -> JsonValue:
    if stored is None:
        return None
    return {
        "format": stored.format.value,
        "layout": stored.layout,
        "numerics": str(stored.numerics),
    }


def _corpus(corpus: Corpus) -> JsonValue:
    return {
        "label": corpus.label,
        "digest": corpus.digest,
        "sequence_count": corpus.sequence_count,
    }


def _suite(report: BuildReport) -> JsonValue:
    suite = report.suite
    return {
        "name": suite.name,
        "version": suite.version,
        "digest": suite.digest,
        "grader": suite.grader.kind,
        "graders": list(suite.grader_kinds),
        "items": len(suite.items),
        "slices": [to_json(spec) for spec in suite.slices],
    }


def _reference(summary: ReferenceSummary) -> JsonValue:
    return {
        **_run(summary.run),
        "accuracy": summary.accuracy,
        "noise_floor": to_json(summary.noise),
        "slices": [{**asdict(part), "accuracy": part.accuracy} for part in summary.slices],
        "wrong_items": [asdict(item) for item in summary.wrong],
        "margins": dict(summary.margins),
    }


def _base(base: BaseReport) -> JsonValue:
    return {
        "runtime": base.runtime,
        "engine": base.engine,
        "is_the_checkpoint": base.finding.passed,
        "found": base.finding.found,
        "divergence": to_json(base.divergence) if base.divergence else None,
        "cause": base.cause or None,
        "waiver": to_json(base.waiver) if base.waiver else None,
    }


def _run(run: Run) -> JsonObject:
    return {
        "key": run.key,
        "subject": run.subject,
        "subject_digest": run.subject_digest,
        "contract": to_json(run.contract),
        "seconds": run.seconds,
    }


def _difference(difference: RuntimeDifference) -> JsonValue:
    return {
        "first": _run(difference.first),
        "second": _run(difference.second),
        "right_in_first_only": difference.count(PairOutcome.BROKE),
        "right_in_second_only": difference.count(PairOutcome.FIXED),
        "changed_answers": [_changed(pair) for pair in listed_pairs(difference.pairs)],
    }


def _variant(report: VariantReport) -> JsonValue:
    return {
        "identifier": report.identifier,
        "decision": decision_word(report),
        "registered_version": report.registered_version,
        "failure": report.failure,
        "origin": "foreign" if report.recipe.is_foreign else "built",
        "recipe": to_json(report.recipe),
        "numerics": str(report.recipe.numerics),
        "kernels": report.kernels,
        "speed": _speed(report.speed),
        "untimed": report.untimed or None,
        "files": _files(report),
        "audit": to_json(report.audit) if report.audit else None,
        "verdict": _verdict(report.verdict) if report.verdict else None,
        "prediction": to_json(report.prediction) if report.prediction else None,
    }


def _speed(speed: Speed | None) -> JsonValue:
    if speed is None:
        return None
    return {
        "conditions": to_json(speed.conditions),
        "figures": [to_json(figure) for figure in speed.figures],
        "base_rounds": [to_json(sample) for sample in speed.base],
        "variant_rounds": [to_json(sample) for sample in speed.variant],
    }


def _files(report: VariantReport) -> JsonValue:
    variant = report.variant
    if variant is None:
        return None
    facts = variant.facts
    return {
        "key": variant.key,
        "digest": variant.files_digest,
        "artifact": str(variant.artifact),
        "size_bytes": variant.size_bytes,
        "bits_per_weight": facts.bits_per_weight,
        "file_bits_per_weight": facts.file_bits_per_weight,
        "corpus_label": variant.corpus_label,
        "corpus_digest": variant.corpus_digest,
        "toolchain": to_json(variant.toolchain),
        "toolchain_digest": variant.toolchain.digest,
        "calibration_sequences": facts.calibration_sequences,
        "calibration_tokens": facts.calibration_tokens,
        "warnings": list(facts.warnings),
        "build_seconds": facts.seconds,
        "build_peak_memory_bytes": facts.peak_memory_bytes,
    }


def _verdict(verdict: Verdict) -> JsonValue:
    return {
        "decision": verdict.decision.value,
        "reasons": list(verdict.reasons),
        "contract": to_json(verdict.contract),
        "reference_key": verdict.reference_key,
        "run_key": verdict.run_key,
        "repeat_keys": list(verdict.repeat_keys),
        "whole": _slice(verdict.whole) if verdict.whole else None,
        "slices": [_slice(judged) for judged in verdict.slices],
        "unproven_slices": list(verdict.unproven_slices),
        "family": to_json(verdict.family) if verdict.family else None,
        "judge": to_json(verdict.judge) if verdict.judge else None,
        "facets": [asdict(row) for row in facet_rows(verdict.items)],
        "not_asked": list(verdict.not_asked),
        "changed_answers": [_changed(pair) for pair in listed_pairs(verdict.items)],
    }


def _slice(judged: SliceVerdict) -> JsonValue:
    counted = judged.statistics
    return {
        "name": judged.name,
        "critical": judged.critical,
        "decision": judged.decision.value,
        "reason": judged.reason,
        "unbroken_items_needed": judged.unbroken_items_needed,
        "rules": [asdict(rule) for rule in judged.rules],
        **asdict(counted),
        "reference_accuracy": counted.reference_accuracy,
        "accuracy": counted.variant_accuracy,
        "break_rate": counted.break_rate,
        "flip_rate": counted.flip_rate,
    }


def _changed(pair: PairedItem) -> JsonValue:
    return {
        "item_id": pair.item_id,
        "slices": list(pair.slices),
        "outcome": pair.outcome.value,
        "stable": pair.stable,
        "margin": pair.reference.margin,
        "reference": {
            "text": pair.reference.answer.text,
            "reason": pair.reference.grade.reason,
            "way": pair.reference.grade.way,
        },
        "variant": {
            "text": pair.variant.answer.text,
            "reason": pair.variant.grade.reason,
            "way": pair.variant.grade.way,
        },
        "variant_runs_right": [graded.grade.correct for graded in pair.variant_runs],
    }
