"""What became of a build: recorded, written as a page and as JSON, and read back without any tool.

`reports/<build>/` holds `index.html`, `result.json` and `complete.json` with errors and receipts: where
there is no error and every receipt still holds, a second run of the same build prints and starts nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows import units
from flows.planning import BuildPlan
from flows.settings import Settings
from flows.site import BuildSite
from pipelines.build.variants import PlannedVariant
from pipelines.domain.errors import InputError, QuantgateError
from pipelines.domain.values import JsonObject
from pipelines.domain.verdict import Decision
from pipelines.files.records import read_record, write_record, write_text
from pipelines.report.build_report import BuildReport, ReferenceReport, VariantReport
from pipelines.report.page import write_page
from pipelines.report.result import result_json
from pipelines.report.summary import ReferenceRow, VariantRow, reference_rows, variant_rows
from registry import Evidence, Receipt, Tracking, find_receipt, record, still_recorded

PASSED, ALL_FAILED, OPEN = 0, 10, 11
COMPLETION = "complete.json"
BUILD = "build"
REGISTER = "register"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitError:
    """Why a unit has no verdict: the error's text and the exit code of its kind."""

    identifier: str
    step: str
    text: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A build's outcome as a command prints it. `details` is the documented JSON result."""

    name: str
    page: Path
    rows: tuple[VariantRow, ...]
    errors: tuple[UnitError, ...]
    receipts: tuple[Receipt, ...]
    details: JsonObject
    references: tuple[ReferenceRow, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: something passed and is registered; else an error's own; 11: something is open; 10.

        A build without variants did what it was asked once its base is judged: 0, or an error's own.
        """
        if not self.rows:
            return self.errors[0].exit_code if self.errors else PASSED
        if any(row.registered_version for row in self.rows):
            return PASSED
        if self.errors:
            return self.errors[0].exit_code
        return (
            OPEN if any(row.decision == Decision.INCONCLUSIVE for row in self.rows) else ALL_FAILED
        )


def errors_folder(plan: BuildPlan, settings: Settings) -> Path:
    """Return where the errors of a build's units are kept until they are tried again."""
    return settings.store.root / "plans" / plan.name / "errors"


def record_error(site: BuildSite, identifier: str, step: str, error: QuantgateError) -> None:
    """Keep why a unit failed."""
    folder = errors_folder(site.plan, site.settings)
    write_record(
        folder / f"{identifier}.json",
        UnitError(identifier=identifier, step=step, text=str(error), exit_code=error.exit_code),
    )


def read_errors(plan: BuildPlan, settings: Settings) -> tuple[UnitError, ...]:
    """Return what failed in the latest try."""
    folder = errors_folder(plan, settings)
    return tuple(read_record(UnitError, path) for path in sorted(folder.glob("*.json")))


def forget_errors(plan: BuildPlan, settings: Settings) -> None:
    """Start a new try."""
    for path in errors_folder(plan, settings).glob("*.json"):
        path.unlink(missing_ok=True)


def forget_error(site: BuildSite, identifier: str) -> None:
    """A retry of this unit succeeded."""
    folder = errors_folder(site.plan, site.settings)
    (folder / f"{identifier}.json").unlink(missing_ok=True)


def tracking(settings: Settings) -> Tracking:
    """Return the MLflow that these settings mean."""
    return Tracking.resolve(settings.store, uri=settings.tracking_uri)


def evidence(site: BuildSite, planned: PlannedVariant) -> Evidence:
    """Put together what is sealed of one variant and judge it, once a process."""
    if planned.key not in site.judged:
        site.judged[planned.key] = _judge(site, planned)
    return site.judged[planned.key]


def _judge(site: BuildSite, planned: PlannedVariant) -> Evidence:
    audit, verdict = units.verdict(site, planned)
    return Evidence(
        checkpoint=site.plan.checkpoint,
        suite=site.plan.suite,
        variant=site.open(planned),
        audit=audit,
        verdict=verdict,
    )


def register(site: BuildSite, planned: PlannedVariant) -> Receipt:
    """Record a judged variant in MLflow, unless the registry provably holds it already.

    Raises:
        ServiceError: where MLflow does not answer or refuses.
    """
    found, where = evidence(site, planned), tracking(site.settings)
    receipt = find_receipt(found.key, where)
    if receipt is not None and still_recorded(receipt, where):
        return receipt
    with site.show("register", planned.identifier):
        return record(found, where)


def write_report(site: BuildSite) -> BuildResult:
    """Write the page, the JSON result and the result that a second run reads back."""
    errors = read_errors(site.plan, site.settings)
    judged = _judged(site, errors)
    receipts = _receipts(site, judged)
    finished = BuildReport(
        build=site.plan.name,
        created_at=datetime.now(UTC).replace(microsecond=0),
        checkpoint=site.plan.checkpoint,
        corpus=site.plan.corpus,
        suite=site.plan.suite,
        policy=site.plan.policy,
        references=tuple(
            ReferenceReport(runs=units.run_references(site, name))
            for name in site.plan.runtimes
            if units.references_finished(site, name)
        ),
        variants=tuple(
            _variant_report(
                v,
                judged.get(v.identifier),
                receipts.get(v.identifier),
                _errors_of(site.plan, v, errors),
            )
            for v in site.plan.variants
        ),
        base_failures=tuple(
            error.text
            for name in site.plan.runtimes
            for error in errors
            if error.identifier == units.base_in(name)
        ),
    )
    folder = site.settings.store.report(site.plan.name)
    write_page(finished, folder / "index.html")
    result = BuildResult(
        name=site.plan.name,
        page=folder / "index.html",
        rows=variant_rows(finished),
        errors=errors,
        receipts=tuple(receipts.values()),
        details=result_json(finished),
        references=reference_rows(finished),
    )
    text = json.dumps(result.details, indent=1, ensure_ascii=False)
    write_text(folder / "result.json", text + "\n")
    write_record(folder / COMPLETION, result)
    return result


def read_complete(plan: BuildPlan, settings: Settings) -> BuildResult | None:
    """Return the result of a build that has nothing left to do: all sealed, all still recorded.

    Anything less, or anything that cannot be proved cheaply, is None.
    """
    path = settings.store.report(plan.name) / COMPLETION
    if not path.is_file() or not all(v.built(settings.store) for v in plan.variants):
        return None
    try:
        result = read_record(BuildResult, path)
    except InputError:
        return None
    where = tracking(settings)
    recorded = {receipt.evidence_key for receipt in result.receipts}
    if result.errors or len(recorded) != len(plan.variants) or not result.page.is_file():
        return None
    if not all(still_recorded(receipt, where) for receipt in result.receipts):
        return None
    return result


def _judged(site: BuildSite, errors: tuple[UnitError, ...]) -> dict[str, Evidence]:
    """Judge every variant that nothing stopped before its verdict."""
    return {
        v.identifier: evidence(site, v)
        for v in site.plan.variants
        if all(error.step == REGISTER for error in _errors_of(site.plan, v, errors))
    }


def _errors_of(
    plan: BuildPlan, planned: PlannedVariant, errors: tuple[UnitError, ...]
) -> tuple[UnitError, ...]:
    """The errors that concern a variant: its own, its base's, and that of the unit that builds its files."""
    names = {planned.identifier, units.base_in(planned.recipe.runtime)}
    builder = plan.builder(planned).identifier
    return tuple(
        error
        for error in errors
        if error.identifier in names or (error.identifier == builder and error.step == BUILD)
    )


def _receipts(site: BuildSite, judged: Mapping[str, Evidence]) -> dict[str, Receipt]:
    where = tracking(site.settings)
    found = {name: find_receipt(one.key, where) for name, one in judged.items()}
    return {name: receipt for name, receipt in found.items() if receipt is not None}


def _variant_report(
    planned: PlannedVariant,
    found: Evidence | None,
    receipt: Receipt | None,
    errors: tuple[UnitError, ...],
) -> VariantReport:
    texts = [error.text for error in errors]
    return VariantReport(
        identifier=planned.identifier,
        recipe=planned.recipe,
        variant=found.variant if found else None,
        audit=found.audit if found else None,
        verdict=found.verdict if found else None,
        registered_version=receipt.version if receipt else None,
        failure=None if found else "\n".join(texts) or "was stopped before its verdict",
    )
