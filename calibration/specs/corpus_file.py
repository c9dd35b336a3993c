"""Corpus specs as people write them: reviewed YAML, every problem with its line."""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from quantgate.calibration.redaction.options import (
    RedactionMode,
    RedactionOptions,
    ReplacementStyle,
)
from quantgate.calibration.specs.corpus import (
    BrokenRows,
    CorpusMix,
    CorpusSpec,
    Filters,
    LengthBucket,
    Rendering,
    Shortfall,
)
from quantgate.calibration.specs.source_section import Names, SourceSection, Weight, exact
from quantgate.pipelines.evaluation.graders.reading import patterns
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.specs.loading import Spec, load_yaml
from quantgate.pipelines.specs.names import CorpusName

_LENGTH = re.compile(r"(\d+)-(\d*)", re.ASCII)
_MOST = 10**12
"""No corpus has more sequences or tokens; larger numbers are slips."""


class FiltersSection(Spec):
    """Which rows may be drawn; what is left out is counted by reason in the card."""

    roles: tuple[Literal["system", "user", "assistant", "tool"], ...] = ()
    """Messages of other roles are taken out of conversations; without it, all stay."""
    min_characters: int = Field(default=1, ge=1)
    """The fewest characters of all contents together."""
    max_characters: int | None = Field(default=None, ge=1)
    """The most characters of all contents together."""
    min_messages: int = Field(default=0, ge=0)
    """The fewest messages of a conversation."""
    max_messages: int | None = Field(default=None, ge=1)
    """The most messages of a conversation."""
    languages: Names = ()
    """ISO 639-1 codes; rows in others are left out."""
    include: Names = ()
    """Regular expressions; a row has to match one of them somewhere."""
    exclude: Names = ()
    """Regular expressions; a row that matches one of them is left out."""

    @field_validator("include", "exclude")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            ready = patterns.compiled(pattern)
            if isinstance(ready, Refused):
                raise ValueError(f"is no regular expression: {ready.reason}")
        return value


class MixSection(Spec):
    """Shares of the sequences by language, domain and length; weights need not sum to anything.

    `other` stands for all values that are not named; without it, their rows are left out.
    """

    language: dict[str, Weight] = Field(default_factory=dict)
    """Weights by ISO 639-1 code: `{en: 3, de: 1}`."""
    domain: dict[str, Weight] = Field(default_factory=dict)
    """Weights by domain."""
    length: dict[str, Weight] = Field(default_factory=dict)
    """Weights by characters: `{0-200: 1, 200-1000: 2, 1000-: 1}`, from the first to below the second."""
    shortfall: Shortfall = "refuse"
    """What to do where there are too few rows for a share: refuse, or spread it over the others."""

    @field_validator("length")
    @classmethod
    def _are_ranges(cls, value: dict[str, float]) -> dict[str, float]:
        ends: list[tuple[int, int | None]] = []
        for name in value:
            match = _LENGTH.fullmatch(name)
            if not match or (match[2] and int(match[2]) <= int(match[1])):
                raise ValueError(f"'{name}' is not a range of characters like 200-1000 or 1000-")
            ends.append(_ends(name))
        ends.sort(key=lambda end: end[0])
        for (_, high), (low, _) in pairwise(ends):
            if high is None or high > low:
                raise ValueError("the ranges of characters overlap")
        return value

    def mix(self, *, by_source: bool) -> CorpusMix:
        """Return the domain object."""
        return CorpusMix(
            language=_weights(self.language),
            domain=_weights(self.domain),
            length=tuple(
                LengthBucket(
                    name=name, low=_ends(name)[0], high=_ends(name)[1], weight=exact(weight)
                )
                for name, weight in self.length.items()
            ),
            by_source=by_source,
            shortfall=self.shortfall,
        )


class RedactionSection(Spec):
    """What becomes of personal data."""

    mode: RedactionMode = "off"
    """Off, report what there is, or enforce: replace it."""
    entities: Names = ()
    """Presidio's names of what to look for; without it, the usual ones."""
    languages: Names = ("en",)
    """ISO 639-1 codes of languages whose words count as context of a number."""
    countries: Names = ()
    """ISO 3166-1 alpha-2 codes, lower case, of countries whose national ids are looked for."""
    threshold: float = Field(default=0.4, ge=0, le=1)
    """Findings with a lower score are dropped."""
    replacement: ReplacementStyle = "placeholder"
    """A placeholder such as <EMAIL_ADDRESS>, or a made-up value of the same kind."""
    ner_model: str | None = None
    """An installed spaCy model, or a folder that holds one, for names of people and places."""

    @model_validator(mode="after")
    def _says_what_is_done(self) -> Self:
        """Whoever lists what to look for takes it for looked for: `off` has to stand there."""
        if self.model_fields_set and "mode" not in self.model_fields_set:
            raise ValueError("says how, and not what is done: add `mode: enforce`, report or off")
        return self


class CorpusFile(Spec):
    """A corpus spec: what calibration may look at."""

    name: CorpusName
    """What it is registered as, with a version: `name@version`."""
    description: str = ""
    """What it holds."""
    licence: str = ""
    """Under which terms it may be used."""
    sources: tuple[SourceSection, ...] = Field(min_length=1)
    """Where sequences are taken from."""
    sequences: int | None = Field(default=None, gt=0, le=_MOST)
    """How many sequences are sampled from all sources together."""
    tokens: int | None = Field(default=None, gt=0, le=_MOST)
    """How many tokens are sampled, as `tokenizer` counts them; with `sequences`, whichever ends it first."""
    tokenizer: str | None = None
    """What counts tokens: a checkpoint folder relative to the spec, or `org/name@revision`."""
    filters: FiltersSection = FiltersSection()
    """Which rows may be drawn."""
    mix: MixSection = MixSection()
    """Shares by language, domain and length."""
    rendering: Rendering = "chat"
    """`chat`: conversations as the model will see them, through its chat template; `raw`: their contents as
    plain text."""
    redaction: RedactionSection = RedactionSection()
    """What becomes of personal data."""
    broken_rows: BrokenRows = "refuse"
    """What to do with rows that cannot be read: refuse the build, or skip and count them."""
    seed: int = 0
    """Seed of the sample."""

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        if self.sequences is None and self.tokens is None:
            raise ValueError("say how much: `sequences`, or `tokens` with a `tokenizer`")
        if self.tokens is not None and self.tokenizer is None:
            raise ValueError("`tokens` needs a `tokenizer` that counts them")
        names = [source.name or source.path or source.hub for source in self.sources]
        if len({n for n in names if n}) != len([n for n in names if n]):
            raise ValueError("two sources have one name: give them a `name` each")
        return self


def load_corpus_spec(path: Path) -> CorpusSpec:
    """Read a corpus spec.

    Raises:
        InputError: with every problem of the file.
    """
    file = load_yaml(path, CorpusFile)
    folder = path.resolve().parent
    return CorpusSpec(
        name=file.name,
        description=file.description,
        licence=file.licence,
        sources=tuple(source.source(folder) for source in file.sources),
        sequences=file.sequences,
        seed=file.seed,
        tokens=file.tokens,
        tokenizer=file.tokenizer,
        filters=Filters(**file.filters.model_dump()),
        mix=file.mix.mix(by_source=any(source.weight is not None for source in file.sources)),
        rendering=file.rendering,
        redaction=RedactionOptions(**file.redaction.model_dump()),
        broken_rows=file.broken_rows,
        folder=folder,
    )


def _ends(name: str) -> tuple[int, int | None]:
    low, _, high = name.partition("-")
    return int(low), int(high) if high else None


def _weights(weights: Mapping[str, float]) -> dict[str, str]:
    return {value: exact(weight) for value, weight in weights.items()}
