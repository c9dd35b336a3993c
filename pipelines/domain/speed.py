"""How fast a variant answers beside its base: samples of both, taken by turns, and what they come to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from quantgate.pipelines.domain.run import RuntimeIdentity

ACCURACY_ONLY = "accuracy only"
"""What is said of a variant whose runtime computes with expanded weights: its speed is nobody's."""

NO_METER = "not timed: only servers that are sent token ids are (prompts: ids)"
"""What is said of a variant that another server answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedSample:
    """What one process of a runtime showed of one model, one request at a time.

    `first_token_seconds` runs from the prompt's arrival to its answer's first token, loading not included.
    `generated_tokens_per_second` counts the tokens after that one. `peak_memory_bytes` is the most that the
    process had resident, the program included, or on GPUs what it took of their memory; None where it runs
    elsewhere. `joules_per_token` is what the processors took while tokens were generated; None where no meter
    can be read, and where GPUs compute.
    """

    prompt_tokens_per_second: float
    generated_tokens_per_second: float
    first_token_seconds: float
    peak_memory_bytes: int | None
    joules_per_token: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedConditions:
    """What was asked of whom where: figures of other conditions are not to be compared.

    `processor` names the machine's processor, or its accelerator where that computed.
    """

    runtime: RuntimeIdentity
    processor: str
    threads: int
    prompt_tokens: int
    generated_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedSpread:
    """A figure over all rounds: the middle one, the least and the greatest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedFigure:
    """One figure of base and variant, and the variant's share of the base's, round by round."""

    name: str
    unit: str
    base: SpeedSpread
    variant: SpeedSpread
    ratio: SpeedSpread


_FIGURES = (
    ("prompt_tokens_per_second", "tokens/s"),
    ("generated_tokens_per_second", "tokens/s"),
    ("first_token_seconds", "s"),
    ("peak_memory_bytes", "bytes"),
    ("joules_per_token", "J/token"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A variant timed beside its base: a sample of each a round, in the order base, variant, base, …"""

    conditions: SpeedConditions
    base: tuple[SpeedSample, ...]
    variant: tuple[SpeedSample, ...]

    @property
    def figures(self) -> tuple[SpeedFigure, ...]:
        """All figures that every round has."""
        return tuple(self._figures())

    def figure(self, name: str) -> SpeedFigure | None:
        """Return one figure by its name; None where it could not be read."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def _figures(self) -> Iterator[SpeedFigure]:
        for name, unit in _FIGURES:
            base = [getattr(sample, name) for sample in self.base]
            variant = [getattr(sample, name) for sample in self.variant]
            if base and all((*base, *variant)):
                ratios = [of / to for of, to in zip(variant, base, strict=True)]
                yield SpeedFigure(
                    name=name,
                    unit=unit,
                    base=_spread(base),
                    variant=_spread(variant),
                    ratio=_spread(ratios),
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedRecord:
    """What became of timing a variant: its speed, or `reason`, why none is claimed."""

    speed: Speed | None
    reason: str = ""


def _spread(values: Sequence[float]) -> SpeedSpread:
    return SpeedSpread(
        median=float(median(values)), low=float(min(values)), high=float(max(values))
    )
