"""What a check of a corpus found, as values."""

from dataclasses import dataclass

from quantgate.calibration.checks.contamination import Contamination
from quantgate.calibration.checks.coverage import Lack
from quantgate.calibration.checks.effective_use import EffectiveUse
from quantgate.calibration.checks.health import Health
from quantgate.calibration.checks.token_coverage import ExpertCoverage, TokenCoverage
from quantgate.pipelines.authoring.check import SuiteFinding

_EXIT_WITH_PROBLEMS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What a model's tokenizer and backends make of a corpus. `experts` is None where nothing is known."""

    source: str
    uses: tuple[EffectiveUse, ...]
    tokens: tuple[TokenCoverage, ...]
    experts: ExpertCoverage | None
    is_sparse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusReport:
    """All that was found. `findings` say what of it is a problem and what is worth a look."""

    corpus: str
    digest: str
    sequences: int
    suite: str
    items: int
    findings: tuple[SuiteFinding, ...]
    contaminations: tuple[Contamination, ...]
    lacks: tuple[Lack, ...]
    health: Health
    model: ModelReport | None

    @property
    def problems(self) -> tuple[SuiteFinding, ...]:
        """What has to be put right."""
        return tuple(finding for finding in self.findings if finding.severity == "problem")

    @property
    def exit_code(self) -> int:
        """0 fine, 2 problems."""
        return _EXIT_WITH_PROBLEMS if self.problems else 0
