"""What a corpus spec says of a source: where its rows come from, and which column holds what."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from quantgate.calibration.specs.corpus import Fields, SourceSpec
from quantgate.pipelines.specs.loading import Spec

_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
_ENDINGS = (".jsonl", ".txt", ".csv", ".parquet")

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _listed(value: JsonValue) -> JsonValue:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | list[str])]


class FieldsSection(Spec):
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


class TracesSection(Spec):
    """Traces in the tracking server."""

    experiment: str = Field(min_length=1)
    """Name of the MLflow experiment that holds them."""


class SourceSection(Spec):
    """Where text comes from: a path, a hub dataset or MLflow traces."""

    path: str | None = None
    """A .jsonl, .txt, .csv or .parquet file relative to the spec; `*` stands for several files."""
    hub: str | None = None
    """A dataset on the hub: `org/name@revision`; a full commit is never asked for twice."""
    config: str | None = None
    """Which configuration of a hub dataset."""
    split: str = "train"
    """Which split of a hub dataset."""
    mlflow: TracesSection | None = None
    """Traces of an MLflow experiment."""
    name: str | None = Field(default=None, min_length=1)
    """What the card calls it; without it, as the source is written."""
    fields: FieldsSection = FieldsSection()
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
    def _comes_from_a_single_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.hub, self.mlflow)) != 1:
            raise ValueError("a source is one of path, hub and mlflow")
        if self.path is not None and not self.path.endswith(_ENDINGS):
            raise ValueError(f"sources end in {', '.join(_ENDINGS)}, not as '{self.path}' does")
        if self.hub is not None and not _HUB.fullmatch(self.hub):
            raise ValueError(f"'{self.hub}' is not org/name@revision")
        if idle := sorted(self.model_fields_set & self._idle_keys()):
            raise ValueError(f"nothing comes of {' and '.join(idle)} in such a source")
        return self

    def _idle_keys(self) -> set[str]:
        idle = set() if self.hub else {"config", "split"}
        if self.path and self.path.endswith(".txt"):
            idle |= {"fields", "json_columns"}
        return idle

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
            weight=exact(self.weight or 1.0),
            language=self.language,
            domain=self.domain,
            licence=self.licence,
        )


def exact(weight: float) -> str:
    """Return a weight as it was written: 0.1 is a tenth, not the nearest binary fraction."""
    return str(Decimal(repr(weight)))
