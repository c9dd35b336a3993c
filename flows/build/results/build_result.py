"""A build's outcome, as it is written down, read back and printed."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.results.unit_error import UnitError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.report.build_report import CHARTS
from quantgate.pipelines.report.summary import BaseRow, ReferenceRow, VariantRow
from quantgate.registry import Receipt

PASSED, ALL_FAILED, OPEN, UNREGISTERED = 0, 10, 11, 13
COMPLETION = "complete.json"
PAGE = "index.html"


def completed_at(result_file: Path) -> int:
    """Return when a finished build's result was written, in nanoseconds; 0 where there is none."""
    return result_file.stat().st_mtime_ns if result_file.is_file() else 0


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
    bases: tuple[BaseRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def charts(self) -> tuple[Path, ...]:
        """Files of the page's charts, by name."""
        return tuple(sorted((self.page.parent / CHARTS).glob("*.svg")))

    @property
    def unregistered(self) -> tuple[VariantRow, ...]:
        """Variants that passed and are in no registry."""
        return tuple(
            row for row in self.rows if row.decision == Decision.PASS and not row.registered_version
        )

    def recipe_name(self, row: VariantRow) -> str:
        """Return what a variant is called beside others of its model, whose name may hold dashes, too."""
        model = self.details.get("model")
        if isinstance(model, dict):
            return row.identifier.removeprefix(f"{model.get('name')}--")
        return row.identifier.partition("--")[2] or row.identifier

    @property
    def exit_code(self) -> int:
        """0: something passed and is registered; else an error's own; 11: something is open; 10.

        13: something passed and could not be registered, whatever else was.
        A build without variants did what it was asked once its base is judged: 0, or an error's own.
        """
        if not self.rows:
            return self.errors[0].exit_code if self.errors else PASSED
        if self.unregistered:
            return UNREGISTERED
        if any(row.registered_version for row in self.rows):
            return PASSED
        if self.errors:
            return self.errors[0].exit_code
        return (
            OPEN if any(row.decision == Decision.INCONCLUSIVE for row in self.rows) else ALL_FAILED
        )
