"""Where a suite's items come from, as a suite file writes it: a file beside it, a table, a hub dataset."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from quantgate.pipelines.specs.loading import Spec

ITEMS_FILE = "items.jsonl"
_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
_ENDINGS = (".jsonl", ".csv", ".parquet")


class FieldsFile(Spec):
    """Which column becomes which key of an item. A key without an entry takes the column of its name.

    `outer.inner` reaches into a column that holds objects.
    """

    id: str | None = None
    """Column of the item's id; without one, rows are numbered from 1."""
    prompt: str | None = None
    """Column of the single user message."""
    messages: str | None = None
    """Column of the conversation."""
    expected: str | dict[str, JsonValue] | None = None
    """A column, or an object of columns: `{tests: test, entry_point: entry_point}`."""
    slices: tuple[str, ...] = ()
    """Columns whose values are names of slices: a text each, or a list of texts."""
    tools: str | None = None
    """Column of the functions on offer."""
    schema_: str | None = Field(default=None, alias="schema")
    """Column of the JSON schema that the answer has to meet."""
    critical: str | None = None
    """Column that says whether the item may never break."""
    group: str | None = None
    """Column of what items have in common that are not independent: a document, a conversation."""

    @field_validator("slices", mode="before")
    @classmethod
    def _one_or_many(cls, value: JsonValue) -> JsonValue:
        return [value] if isinstance(value, str) else value

    @field_validator("expected")
    @classmethod
    def _names_columns(
        cls, value: str | dict[str, JsonValue] | None
    ) -> str | dict[str, JsonValue] | None:
        if isinstance(value, dict) and not _all_texts(value):
            raise ValueError("every value in it is the name of a column")
        return value


class ItemsFile(Spec):
    """Where items come from, and how their columns are to be read."""

    path: str | None = None
    """A .jsonl, .csv or .parquet file, relative to the suite file."""
    hub: str | None = None
    """A dataset on the hub: `org/name@revision`; a full commit is never asked for twice."""
    config: str | None = None
    """Which configuration of a hub dataset."""
    split: str = "test"
    """Which split of a hub dataset."""
    fields: FieldsFile = FieldsFile()
    """Which column becomes which key of an item."""
    json_columns: tuple[str, ...] = ()
    """Columns whose text is JSON (in a csv: objects and lists are written so)."""
    slices_for_all: tuple[str, ...] = ()
    """Slices that every item is in."""
    other_columns: Literal["refuse", "ignore"] = "refuse"
    """What to do with columns that become nothing."""
    other_slices: Literal["refuse", "declare", "ignore"] = "refuse"
    """What to do with slices of items that the suite file does not name."""

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if bool(self.path) == bool(self.hub):
            raise ValueError("items come from either a path or a hub dataset")
        if self.hub and not _HUB.fullmatch(self.hub):
            raise ValueError(f"'{self.hub}' is not org/name@revision")
        if self.path and not self.path.endswith(_ENDINGS):
            raise ValueError(f"'{self.path}' does not end in {', '.join(_ENDINGS)}")
        if self.path and (idle := sorted(self.model_fields_set & {"config", "split"})):
            raise ValueError(f"{' and '.join(idle)}: of a hub dataset, and a file has none")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether these are JSON lines that hold items under their own keys and nothing else."""
        changed = self.model_dump(exclude_defaults=True, exclude={"path", "other_slices"})
        return not changed and (self.path or "").endswith(".jsonl")


def _all_texts(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return all(_all_texts(part) for part in value.values())
    if isinstance(value, list):
        return all(_all_texts(part) for part in value)
    return isinstance(value, str)


def _spelled_out(value: object) -> object:
    """`items: items.jsonl` is short for `items: {path: items.jsonl}`."""
    return {"path": value} if isinstance(value, str) else value


AnyItemsFile = Annotated[
    ItemsFile, BeforeValidator(_spelled_out, json_schema_input_type=str | ItemsFile)
]
