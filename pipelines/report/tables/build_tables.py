"""Every table of a build: variants, slices, changed answers, audits, the base."""

from collections.abc import Iterator

from quantgate.pipelines.report.stored.result_file import StoredResult, StoredScope, StoredVariant
from quantgate.pipelines.report.tables.table import Cell, DataTable

_SCOPE_COLUMNS = (
    *("decision", "items", "reliable", "broke", "fixed", "unstable", "base_accuracy", "accuracy"),
    *("delta", "delta_low", "delta_high", "break_rate", "break_rate_bound", "mcnemar_p"),
    *("unbroken_items_needed", "reason"),
)


def build_tables(result: StoredResult) -> tuple[DataTable, ...]:
    """Return all tables of a build, in the order in which a page has them."""
    return (
        _table("variants", "Variants", _VARIANT_COLUMNS, _variants(result)),
        _table("slices", "Slices", ("variant", "slice", *_SCOPE_COLUMNS), _slices(result)),
        _table("changed_answers", "Changed answers", _CHANGE_COLUMNS, _changes(result)),
        _table("audits", "Audits", _AUDIT_COLUMNS, _audits(result)),
        _table("base", "The base", _BASE_COLUMNS, _base(result)),
    )


_VARIANT_COLUMNS = (
    *("variant", "decision", "registered_version", "runtime", "numerics", "kernels", "size_bytes"),
    *(
        "bits_per_weight",
        "file_bits_per_weight",
        "corpus",
        "divergence_nats_a_token",
        "files_digest",
    ),
    *("items", "reliable", "broke", "fixed", "base_accuracy", "accuracy", "delta", "delta_low"),
    *("delta_high", "break_rate", "break_rate_bound", "mcnemar_p", "reason"),
)
_CHANGE_COLUMNS = (
    *("variant", "item", "slices", "outcome", "stable", "way", "base_said", "base_reason"),
    *("variant_said", "variant_reason", "base_margin_nats"),
)
_AUDIT_COLUMNS = ("variant", "check", "passed", "promised", "found")
_BASE_COLUMNS = ("runtime", "version", "device", "kv_cache", "accuracy", "wrong_items", "run")


def _table(
    name: str, title: str, columns: tuple[str, ...], rows: Iterator[tuple[Cell, ...]]
) -> DataTable:
    return DataTable(name=name, title=title, columns=columns, rows=tuple(rows))


def _variants(result: StoredResult) -> Iterator[tuple[Cell, ...]]:
    for variant in result.variants:
        files, verdict = variant.files, variant.verdict
        divergence = variant.audit.divergence if variant.audit else None
        whole = verdict.whole if verdict else None
        yield (
            result.short_name(variant),
            variant.decision,
            variant.registered_version,
            variant.recipe.runtime,
            variant.numerics,
            variant.kernels,
            *((files.size_bytes, files.bits_per_weight) if files else (None, None)),
            *((files.file_bits_per_weight, files.corpus_label) if files else (None, None)),
            divergence.mean_kl if divergence else None,
            files.digest if files else None,
            *(_counted(whole) if whole else (None,) * 12),
            reason_of(variant),
        )


def reason_of(variant: StoredVariant) -> str:
    """Return why a variant stands as it does, in a line."""
    if variant.verdict and variant.verdict.reasons:
        return variant.verdict.reasons[0]
    return (variant.failure or "not judged").splitlines()[0]


def _counted(scope: StoredScope) -> tuple[Cell, ...]:
    return (
        *(scope.items, scope.reliable, scope.broke, scope.fixed),
        *(scope.reference_accuracy, scope.accuracy, scope.delta),
        *(scope.delta_interval.low, scope.delta_interval.high),
        *(scope.break_rate, scope.break_rate_bound, scope.mcnemar_p),
    )


def _slices(result: StoredResult) -> Iterator[tuple[Cell, ...]]:
    for variant in result.variants:
        verdict = variant.verdict
        for scope in (verdict.whole, *verdict.slices) if verdict and verdict.whole else ():
            if scope is None:
                continue
            counted = _counted(scope)
            yield (
                *(result.short_name(variant), scope.name, scope.decision),
                *(*counted[:4], scope.unstable, *counted[4:]),
                *(scope.unbroken_items_needed, scope.reason),
            )


def _changes(result: StoredResult) -> Iterator[tuple[Cell, ...]]:
    for variant in result.variants:
        for change in variant.verdict.changed_answers if variant.verdict else ():
            yield (
                result.short_name(variant),
                change.item_id,
                " ".join(change.slices),
                change.outcome,
                change.stable,
                change.variant.way,
                change.reference.text,
                change.reference.reason,
                change.variant.text,
                change.variant.reason,
                change.margin,
            )


def _audits(result: StoredResult) -> Iterator[tuple[Cell, ...]]:
    for variant in result.variants:
        for finding in variant.audit.findings if variant.audit else ():
            name = result.short_name(variant)
            yield name, finding.check, finding.passed, finding.promised, finding.found


def _base(result: StoredResult) -> Iterator[tuple[Cell, ...]]:
    for reference in result.references:
        runtime = reference.contract.runtime
        yield (
            *(runtime.engine, runtime.version, runtime.device, runtime.kv_cache),
            *(reference.accuracy, len(reference.wrong_items), reference.key),
        )
