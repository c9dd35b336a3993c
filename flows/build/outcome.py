"""What became of a build: recorded, written as a page and as JSON, and read back without any tool.

`reports/<build>/` holds `index.html`, `result.json` and `complete.json` with errors and receipts: where
there is no error and every receipt still holds, a second run of the same build prints and starts nothing.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from quantgate.flows.build.bases import measured_bases
from quantgate.flows.build.corpora.describing import corpora_notes
from quantgate.flows.build.corpora.rows_to_write import rows_to_write
from quantgate.flows.build.errors import errors_of, read_errors
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import read_command
from quantgate.flows.build.references import reported_references
from quantgate.flows.build.registering import names_files
from quantgate.flows.build.results.build_result import COMPLETION, PAGE, BuildResult
from quantgate.flows.build.results.unit_error import REGISTER, UnitError
from quantgate.flows.build.timing.speeds import untimed_because
from quantgate.flows.build.tracking import tracking
from quantgate.flows.build.units import predicted
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.settings import Settings
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import InputError, UnprovableError
from quantgate.pipelines.domain.prediction import Prediction
from quantgate.pipelines.files.records import read_checked, write_checked, write_text
from quantgate.pipelines.files.sealed import read_sealed
from quantgate.pipelines.report.build_report import BuildReport, ReferenceReport, VariantReport
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from quantgate.pipelines.report.page.rendering import write_page_and_charts
from quantgate.pipelines.report.result import result_json
from quantgate.pipelines.report.summary import (
    base_rows,
    reference_rows,
    variant_rows,
)
from quantgate.pipelines.variants.variant import PlannedVariant, VariantRecord
from quantgate.registry import Evidence, Receipt, find_receipt, still_recorded


def write_report(build: LocalBuild) -> BuildResult:
    """Write the page, the JSON result and the result that a second run reads back."""
    errors = read_errors(build.plan, build.settings)
    judged = _judged(build, errors)
    receipts = _receipts(build, judged)
    report = _build_report(build, errors, judged, receipts)
    folder = build.settings.store.report(build.plan.name)
    write_page_and_charts(report, folder / PAGE)
    result = BuildResult(
        name=build.plan.name,
        page=folder / PAGE,
        rows=variant_rows(report),
        errors=errors,
        receipts=tuple(receipts.values()),
        details=result_json(report),
        references=reference_rows(report),
        bases=base_rows(report),
        notes=checkpoint_notes(report.checkpoint),
    )
    text = json.dumps(result.details, indent=1, ensure_ascii=False)
    write_text(folder / "result.json", text + "\n")
    write_checked(folder / COMPLETION, result)
    return result


def _build_report(
    build: LocalBuild,
    errors: tuple[UnitError, ...],
    judged: Mapping[str, Evidence],
    receipts: Mapping[str, Receipt],
) -> BuildReport:
    plan = build.plan
    references = (reported_references(build, name) for name in plan.runtimes)
    bases = [base_in(name) for name in plan.runtimes]
    return BuildReport(
        build=plan.name,
        created_at=datetime.now(UTC).replace(microsecond=0),
        checkpoint=plan.checkpoint,
        corpora=plan.corpora,
        suite=plan.suite,
        policy=plan.policy,
        references=tuple(ReferenceReport(runs=runs) for runs in references if runs),
        variants=tuple(
            _variant_report(
                planned,
                judged.get(planned.identifier),
                receipts.get(planned.identifier),
                errors_of(plan, planned, errors),
                untimed_because(build, planned),
                predicted(build, planned) if planned.identifier in judged else None,
            )
            for planned in plan.variants
        ),
        base_failures=tuple(
            error.text for base in bases for error in errors if error.identifier == base
        ),
        contamination_waivers=plan.contamination_waivers,
        bases=measured_bases(plan, build.settings.store),
        search=plan.search,
        corpus_notes=corpora_notes(build),
        command=read_command(plan.name, build.settings.store),
        rows_to_write=rows_to_write(build, {name: each.verdict for name, each in judged.items()}),
    )


def read_complete(plan: BuildPlan, settings: Settings) -> BuildResult | None:
    """Return the result of a build that has nothing left to do: all sealed, all still recorded.

    Anything less, or anything that cannot be proved cheaply, is None; so are results that were edited, and
    those of a store that lay elsewhere.

    Raises:
        InputError: where a variant's sealed folder holds something else than its manifest names.
    """
    path = settings.store.report(plan.name) / COMPLETION
    if not path.is_file() or not all(v.built(settings.store) for v in plan.variants):
        return None
    try:
        result = read_checked(BuildResult, path)
    except InputError:
        return None
    where = tracking(settings)
    recorded = {receipt.evidence_key for receipt in result.receipts}
    if result.errors or len(recorded) != len(plan.variants) or not result.page.is_file():
        return None
    if result.page != path.parent / PAGE or not _hold_files(result.receipts, plan, settings):
        return None
    if not all(still_recorded(receipt, where) for receipt in result.receipts):
        return None
    return result


def _hold_files(receipts: Sequence[Receipt], plan: BuildPlan, settings: Settings) -> bool:
    """Whether every variant of a plan, as it lies in this store, has a receipt."""
    for variant in plan.variants:
        folder = variant.folder(settings.store)
        digest = read_sealed(folder, VariantRecord).digest
        where = str(folder.absolute())
        if not any(names_files(receipt, where, digest) for receipt in receipts):
            return False
    return True


def _judged(build: LocalBuild, errors: tuple[UnitError, ...]) -> dict[str, Evidence]:
    """Judge every variant that nothing stopped before its verdict."""
    return {
        v.identifier: evidence(build, v)
        for v in build.plan.variants
        if all(error.step == REGISTER for error in errors_of(build.plan, v, errors))
    }


def _receipts(build: LocalBuild, judged: Mapping[str, Evidence]) -> dict[str, Receipt]:
    where = tracking(build.settings)
    receipts = {name: find_receipt(proof.key, where) for name, proof in judged.items()}
    return {name: receipt for name, receipt in receipts.items() if receipt is not None}


def _variant_report(
    planned: PlannedVariant,
    judged: Evidence | None,
    receipt: Receipt | None,
    errors: tuple[UnitError, ...],
    untimed: str,
    prediction: Prediction | None,
) -> VariantReport:
    texts = [error.text for error in errors]
    return VariantReport(
        identifier=planned.identifier,
        recipe=planned.recipe,
        variant=judged.variant if judged else None,
        audit=judged.audit if judged else None,
        verdict=judged.verdict if judged else None,
        registered_version=receipt.version if receipt else None,
        failure=None if judged else "\n".join(texts) or "was stopped before its verdict",
        unprovable=any(error.exit_code == UnprovableError.exit_code for error in errors),
        tokens_per_second=judged.tokens_per_second if judged else None,
        speed=judged.speed if judged else None,
        untimed="" if judged and judged.speed else untimed,
        prediction=prediction,
    )
