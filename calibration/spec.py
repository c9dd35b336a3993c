"""Corpus specs as people write them: reviewed YAML, every problem with its line."""

import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from quantgate.calibration.redaction.options import (
    RedactionMode,
    RedactionOptions,
    ReplacementStyle,
)
from quantgate.calibration.wanted import (
    BrokenRows,
    CorpusSpec,
    Fields,
    Filters,
    LengthBucket,
    Mix,
    Rendering,
    Shortfall,
    SourceSpec,
)
from quantgate.pipelines.evaluation.graders.reading import patterns
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.specs.loading import Spec, load_yaml
from quantgate.pipelines.specs.names import CorpusName

_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
_LENGTH = re.compile(r"(\d+)-(\d*)", re.ASCII)
_MOST = 10**12
"""No corpus has more sequences or tokens; larger numbers are slips."""

_ENDINGS = (".jsonl", ".txt", ".csv", ".parquet")

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _listed(value: JsonValue) -> JsonValue:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str])]


class _FieldsFile(Spec):
    """Which column holds what. `outer.inner` reaches into objects.

    Once a column is named for messages, prompt, response or text, no other content is looked for.
    """

    id: str = ""
    """Column of the row's id; without one, rows are numbered."""
    messages: str = ""
    """Column of the conversation."""
    prompt: str = ""
    """Column of a single user message."""
    response: str = ""
    """Column of the answer to `prompt`."""
    text: str = ""
    """Column of plain text."""
    tools: str = ""
    """Column of the functions on offer, as OpenAI's API takes them."""
    language: str = ""
    """Column of the language's ISO 639-1 code."""
    domain: str = ""
    """Column of the domain, as your team names domains."""


class _TracesFile(Spec):
    """Traces in the tracking server."""

    experiment: str = Field(min_length=1)
    """Name of the MLflow experiment that holds them."""


class _SourceFile(Spec):
    """Where text comes from: a path, a hub dataset or MLflow traces."""

    path: str | None = None
    """A .jsonl, .txt, .csv or .parquet file relative to the spec; `*` stands for several files."""
    hub: str | None = None
    """A dataset on the hub: `org/name@revision`; a full commit is never asked for twice."""
    config: str | None = None
    """Which configuration of a hub dataset."""
    split: str = "train"
    """Which split of a hub dataset."""
    mlflow: _TracesFile | None = None
    """Traces of an MLflow experiment."""
    name: str | None = Field(default=None, min_length=1)
    """What the card calls it; without it, as the source is written."""
    fields: _FieldsFile = _FieldsFile()
    """Which column holds what."""
    json_columns: Names = ()
    """Columns whose text is JSON."""
    weight: Weight | None = None
    """Its share of the sequences beside the other sources' (1 where only others say one); where no source
    has a weight, rows of all sources are drawn alike."""
    language: str = ""
    """ISO 639-1 code of rows that do not name their own; without it, it is told from the text."""
    domain: str = ""
    """Domain of rows that do not name their own."""
    licence: str = ""
    """Under which terms its rows may be used; without it, the corpus's licence."""

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if sum(one is not None for one in (self.path, self.hub, self.mlflow)) != 1:
            raise ValueError("a source is one of path, hub and mlflow")
        if self.path is not None and not self.path.endswith(_ENDINGS):
            raise ValueError(f"sources end in {', '.join(_ENDINGS)}, not as '{self.path}' does")
        if self.hub is not None and not _HUB.fullmatch(self.hub):
            raise ValueError(f"'{self.hub}' is not org/name@revision")
        return self

    def source(self, folder: Path) -> SourceSpec:
        """Return the domain object; paths are relative to `folder`."""
        experiment = self.mlflow.experiment if self.mlflow else ""
        written = self.path or self.hub or f"mlflow:{experiment}"
        return SourceSpec(
            name=self.name or written,
            path=folder / self.path if self.path else None,
            hub=self.hub or "",
            config=self.config,
            split=self.split,
            experiment=experiment,
            fields=Fields(**self.fields.model_dump()),
            json_columns=self.json_columns,
            weight=_exact(self.weight or 1.0),
            language=self.language,
            domain=self.domain,
            licence=self.licence,
        )


class _FiltersFile(Spec):
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


class _MixFile(Spec):
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

    def mix(self, *, by_source: bool) -> Mix:
        """Return the domain object."""
        return Mix(
            language=_weights(self.language),
            domain=_weights(self.domain),
            length=tuple(
                LengthBucket(
                    name=name, low=_ends(name)[0], high=_ends(name)[1], weight=_exact(weight)
                )
                for name, weight in self.length.items()
            ),
            by_source=by_source,
            shortfall=self.shortfall,
        )


class _RedactionFile(Spec):
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


class CorpusFile(Spec):
    """A corpus spec: what calibration may look at."""

    name: CorpusName
    """What it is registered as, with a version: `name@version`."""
    description: str = ""
    """What it holds."""
    licence: str = ""
    """Under which terms it may be used."""
    sources: tuple[_SourceFile, ...] = Field(min_length=1)
    """Where sequences are taken from."""
    sequences: int | None = Field(default=None, gt=0, le=_MOST)
    """How many sequences are sampled from all sources together."""
    tokens: int | None = Field(default=None, gt=0, le=_MOST)
    """How many tokens are sampled, as `tokenizer` counts them; with `sequences`, whichever ends it first."""
    tokenizer: str | None = None
    """What counts tokens: a checkpoint folder relative to the spec, or `org/name@revision`."""
    filters: _FiltersFile = _FiltersFile()
    """Which rows may be drawn."""
    mix: _MixFile = _MixFile()
    """Shares by language, domain and length."""
    rendering: Rendering = "chat"
    """`chat`: conversations as the model will see them, through its chat template; `raw`: their contents as
    plain text."""
    redaction: _RedactionFile = _RedactionFile()
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
        names = [one.name or one.path or one.hub for one in self.sources]
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
        mix=file.mix.mix(by_source=any(one.weight is not None for one in file.sources)),
        rendering=file.rendering,
        redaction=RedactionOptions(**file.redaction.model_dump()),
        broken_rows=file.broken_rows,
        folder=folder,
    )


def _ends(name: str) -> tuple[int, int | None]:
    low, _, high = name.partition("-")
    return int(low), int(high) if high else None


def _weights(weights: Mapping[str, float]) -> dict[str, str]:
    return {value: _exact(weight) for value, weight in weights.items()}


def _exact(weight: float) -> str:
    """Return a weight as it was written: 0.1 is a tenth, not the nearest binary fraction."""
    return str(Decimal(repr(weight)))
