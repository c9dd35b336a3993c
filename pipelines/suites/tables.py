"""Foreign rows as items: csv and JSON lines read here, other tables as JSON lines that a child made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.csv_rows import csv_rows
from quantgate.pipelines.files.json_text import JsonTextError, parse_json
from quantgate.pipelines.files.reading import holds_file, numbered_lines
from quantgate.pipelines.hub.table_source import ReadTable, TableSource
from quantgate.pipelines.specs.loading import did_you_mean, not_json
from quantgate.pipelines.suites.sources import FieldsFile, ItemsFile

_OWN_KEYS = (
    "id",
    "prompt",
    "messages",
    "expected",
    "slices",
    "tools",
    "schema",
    "critical",
    "group",
)
_MORE_KEYS = (
    "grader",
    "decode",
    "raw",
    "template_variables",
    "turns",
    "tool_answers",
    "max_steps",
)
ITEM_KEYS = (*_OWN_KEYS, *_MORE_KEYS)
"""Keys of an item that a column may fill."""
_TEXT_KEYS = ("id", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One row: its number (of its line, where it has one), and an item under our keys or what is wrong."""

    number: int
    item: JsonObject
    problems: tuple[str, ...] = ()


def read_rows(source: ItemsFile, folder: Path, read_table: ReadTable | None) -> Iterator[ItemRow]:
    """Yield the rows of a source with their columns renamed as its `fields` say.

    Raises:
        InputError: where a file cannot be read.
        ToolchainError: where a child process is needed and the caller has none to offer.
    """
    path = folder / source.path if source.path else None
    if path is not None and path.suffix == ".csv":
        rows = _csv(path)
    elif path is not None and path.suffix == ".jsonl":
        rows = _json_rows(path)
    else:
        rows = _json_rows(_through_a_child(source, path, read_table))
    for number, (line, row) in enumerate(rows, start=1):
        if isinstance(row, str):
            yield ItemRow(number=line, item={}, problems=(row,))
        else:
            yield _mapped(source, row, number=number, line=line)


def _through_a_child(source: ItemsFile, path: Path | None, read_table: ReadTable | None) -> Path:
    where = source.hub or str(path)
    if path is not None and not holds_file(path):
        raise InputError(
            "there is no such file",
            where=where,
            next_step="check how it is spelled; paths begin at the suite's folder",
        )
    if read_table is None:
        raise ToolchainError(
            "is read by a child process, which is not to be had here",
            where=where,
            next_step="run this on a machine that has the whole of quantgate",
        )
    if path is not None:
        return read_table(TableSource(path=path))
    return read_table(TableSource(hub=source.hub, config=source.config, split=source.split))


def _csv(path: Path) -> Iterator[tuple[int, JsonObject | str]]:
    for line, row in csv_rows(path):
        yield line, row if isinstance(row, str) else dict(row)


def _json_rows(path: Path) -> Iterator[tuple[int, JsonObject | str]]:
    for number, line in numbered_lines(path):
        try:
            value = parse_json(line)
        except JsonTextError as error:
            yield number, not_json(error)
            continue
        yield number, value if isinstance(value, dict) else "is not a JSON object"


def _mapped(source: ItemsFile, row: JsonObject, *, number: int, line: int) -> ItemRow:
    reader = _CellReader(row, source.json_columns)
    item = _columns(source.fields, reader)
    item.setdefault("id", str(number))
    slices = [*_names(item.get("slices")), *source.slices_for_all]
    item["slices"] = list(dict.fromkeys(slices))
    problems = list(reader.problems)
    if source.other_columns == "refuse":
        problems += [
            f"column '{name}' becomes nothing{did_you_mean(name, ITEM_KEYS)}: map it in `fields`, "
            "or say `other_columns: ignore`"
            for name in row
            if name not in reader.used
        ]
    return ItemRow(number=line, item=item, problems=tuple(problems))


def _columns(fields: FieldsFile, reader: "_CellReader") -> JsonObject:
    """Keys that are mapped, and columns that have a key's own name where the key is not mapped."""
    mapping = fields.model_dump(by_alias=True, exclude_none=True, exclude={"slices"})
    item: JsonObject = {key: reader.picked(columns) for key, columns in mapping.items()}
    if fields.slices:
        item["slices"] = [name for column in fields.slices for name in _names(reader.cell(column))]
    for key in ITEM_KEYS:
        if key not in item and key in reader.row:
            item[key] = reader.cell(key)
    # A csv writes what a row lacks as an empty cell, other tables as a null.
    kept = {k: value for k, value in item.items() if value not in (None, "") or k == "expected"}
    for key in _TEXT_KEYS:
        if isinstance(kept.get(key), int | float):
            kept[key] = str(kept[key])
    return {
        key: value if key == "expected" else _without_nulls(value) for key, value in kept.items()
    }


class _CellReader:
    """Takes cells of one row, remembering which columns were taken and what went wrong."""

    def __init__(self, row: JsonObject, json_columns: Sequence[str]) -> None:
        self.row, self.used = row, set[str]()
        self.problems: list[str] = []
        self._json_columns = json_columns

    def picked(self, columns: JsonValue) -> JsonValue:
        """Return a cell, or an object or list with a cell wherever it names a column."""
        if isinstance(columns, Mapping):
            return {key: self.picked(part) for key, part in columns.items()}
        if isinstance(columns, list):
            return [self.picked(part) for part in columns]
        return self.cell(str(columns))

    def cell(self, name: str) -> JsonValue:
        """Return what stands under a column's name, or under `outer.inner`."""
        column, _, inner = (name, "", "") if name in self.row else name.partition(".")
        if column not in self.row:
            self.problems.append(
                f"there is no column '{name}'{did_you_mean(name, list(self.row))}; "
                f"there are {', '.join(self.row) or 'none'}"
            )
            return None
        self.used.add(column)
        value = self._parsed(column, self.row[column])
        for part in inner.split(".") if inner else ():
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _parsed(self, column: str, value: JsonValue) -> JsonValue:
        if column not in self._json_columns or not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return parse_json(value)
        except JsonTextError as error:
            self.problems.append(f"column '{column}' is not JSON: {error}")
            return None


def _names(value: JsonValue) -> list[str]:
    """Slices as a column gives them: a text, a number, or a list of them; nothing where it is empty."""
    if value is None or value == "":
        return []
    return [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]


def _without_nulls(value: JsonValue) -> JsonValue:
    """Tables fill keys that a row lacks with nulls, in every object of a column."""
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value
