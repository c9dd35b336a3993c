"""MLflow's own tables, read by SQL that SQLite and PostgreSQL both know.

Tables, columns and keys are those of the schemas that `schema.py` names. Nothing is asked for that no index
of theirs leads to: tags are joined one by one, by their primary key (workspace, key, name, version), and
read by the index over (workspace, name, version). No table is read through.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from quantgate.registry.lineage_tag import held_names, spread
from quantgate.registry.protocol import (
    AliasChange,
    RecordedVersion,
    RegistryReader,
    TaggedRun,
    VersionQuery,
)
from quantgate.registry.reading.alias_changes import changes_of
from quantgate.registry.reading.artifacts import local_file

_MOST_NAMES = 20_000
_FEW_VERSIONS = 64
"""Up to so many versions are named one by one where their tags are read; of more, a whole model's are."""

_FINISHED = "runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED'"
_RUN_TAGS = f"""
    SELECT tags.key, tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
    WHERE runs.run_uuid = ? AND {_FINISHED}
"""
_RUN_FILES = """
    SELECT runs.artifact_uri, experiments.name FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id WHERE runs.run_uuid = ?
"""
_FIRST_CONTENT = f"""
    SELECT content.value FROM tags AS suite
    JOIN runs ON runs.run_uuid = suite.run_uuid
    JOIN tags AS content ON content.key = 'suite_digest' AND content.run_uuid = runs.run_uuid
    WHERE suite.key = 'suite' AND suite.value = ? AND {_FINISHED}
    ORDER BY runs.start_time LIMIT 1
"""
_MODEL = "SELECT 1 FROM registered_models WHERE workspace = 'default' AND name = ?"
_NAMES = "SELECT name FROM registered_models WHERE workspace = 'default' ORDER BY name LIMIT ?"
_ALIASES = """
    SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?
"""
_ALIAS = f"{_ALIASES} AND alias = ?"
_MODEL_TAGS = """
    SELECT key, value FROM registered_model_tags WHERE workspace = 'default' AND name = ?
"""
_COLUMNS = "version.version, version.run_id, version.creation_time"
_FROM = "FROM model_versions AS version"
_WHERE = """
    WHERE version.workspace = 'default' AND version.name = ?
    AND version.current_stage != 'Deleted_Internal'
"""
_HAS_TAG = """
    JOIN model_version_tags AS {name} ON {name}.workspace = 'default' AND {name}.key = ?
    AND {name}.name = version.name AND {name}.version = version.version AND {name}.value {asked}
"""
_VERSION_TAGS = """
    SELECT version, key, value FROM model_version_tags WHERE workspace = 'default' AND name = ?
"""
_RUN_HAS_TAG = """
    JOIN tags AS {name} ON {name}.key = ? AND {name}.run_uuid = runs.run_uuid AND {name}.value = ?
"""


class Rows(Protocol):
    """An open database."""

    def __call__(self, query: str, *values: str | int) -> list[Any]:
        """Return a query's rows; every `?` in it stands for a value."""
        ...


class TablesReader(RegistryReader):
    """Reads an open database."""

    def __init__(self, rows: Rows, artifact_root: Path | None) -> None:
        """Nothing is asked yet. `artifact_root` is where a registry that was moved has its artifacts."""
        self._rows = rows
        self._artifact_root = artifact_root

    @override
    def run_tags(self, run_id: str) -> Mapping[str, str]:
        return dict(self._rows(_RUN_TAGS, run_id))

    @override
    def version(self, model: str, number: str) -> RecordedVersion | None:
        query = f"SELECT {_COLUMNS} {_FROM} {_WHERE} AND version.version = ?"
        for version in self._recorded(model, self._rows(query, model, int(number)), None):
            aliases = sorted(
                a for a, pointed in self._rows(_ALIASES, model) if str(pointed) == number
            )
            return replace(version, aliases=tuple(aliases))
        return None

    @override
    def alias_version(self, model: str, alias: str) -> RecordedVersion | None:
        for _, number in self._rows(_ALIAS, model, alias):
            return self.version(model, str(number))
        return None

    @override
    def versions(self, query: VersionQuery) -> tuple[RecordedVersion, ...]:
        joins, values = "", list[str | int]()
        for number, (key, text) in enumerate(query.tags.items()):
            joins += _HAS_TAG.format(name=f"tag{number}", asked="= ?")
            values += [key, text]
        for number, (key, texts) in enumerate(query.other_tags.items()):
            joins += _HAS_TAG.format(name=f"other{number}", asked=f"NOT IN ({_marks(texts)})")
            values += [key, *texts]
        limit = "" if query.limit is None else f"LIMIT {query.limit:d}"
        held = self._rows(
            f"SELECT {_COLUMNS} {_FROM} {joins} {_WHERE} ORDER BY version.version DESC {limit}",
            *values,
            query.model,
        )
        return self._recorded(query.model, held, query.wanted)

    @override
    def aliases(self, model: str) -> Mapping[str, str] | None:
        if not self._rows(_MODEL, model):
            return None
        return {alias: str(number) for alias, number in self._rows(_ALIASES, model)}

    @override
    def alias_changes(self, model: str) -> tuple[AliasChange, ...]:
        return changes_of(dict(self._rows(_MODEL_TAGS, model)))

    @override
    def model_names(self, like: str) -> tuple[str, ...]:
        return tuple(str(name) for (name,) in self._rows(_NAMES, _MOST_NAMES))

    @override
    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        (first, text), *others = tags.items()
        joins = "".join(_RUN_HAS_TAG.format(name=f"tag{i}") for i in range(len(others)))
        # CROSS JOIN keeps SQLite to this order: few runs have the first tag, no index has the experiment.
        runs = self._rows(
            f"""
            SELECT runs.run_uuid FROM tags AS first CROSS JOIN runs
            {joins} JOIN experiments ON experiments.experiment_id = runs.experiment_id
            WHERE first.key = ? AND first.value = ? AND runs.run_uuid = first.run_uuid
            AND experiments.workspace = 'default'
            AND experiments.name = ? AND {_FINISHED}
            ORDER BY runs.start_time DESC
            """,
            *(part for other in others for part in other),
            *(first, text, experiment),
        )
        return tuple(TaggedRun(id=run_id, tags=self.run_tags(run_id)) for (run_id,) in runs)

    @override
    def run_file(self, run_id: str, name: str) -> bytes | None:
        for uri, experiment in self._rows(_RUN_FILES, run_id):
            root = self._artifact_root
            moved = root / experiment / run_id / "artifacts" if root is not None else None
            return local_file(uri or "", moved, name)
        return None

    @override
    def first_content(self, suite: str) -> str | None:
        return next((str(digest) for (digest,) in self._rows(_FIRST_CONTENT, suite)), None)

    def _recorded(
        self, model: str, held: list[Any], names: tuple[str, ...] | None
    ) -> tuple[RecordedVersion, ...]:
        tags = self._tags(model, [number for number, *_ in held], names)
        return tuple(
            RecordedVersion(
                number=str(number),
                run_id=run_id or "",
                tags=spread(tags[number]),
                created_ms=created_ms,
            )
            for number, run_id, created_ms in held
        )

    def _tags(
        self, model: str, numbers: list[int], names: tuple[str, ...] | None
    ) -> Mapping[int, dict[str, str]]:
        tags: dict[int, dict[str, str]] = defaultdict(dict)
        if not numbers or names == ():
            return tags
        asked = held_names(names or ())
        few = numbers if len(numbers) <= _FEW_VERSIONS else []
        query = _VERSION_TAGS
        query += f" AND version IN ({_marks(few)})" if few else ""
        query += f" AND key IN ({_marks(asked)})" if asked else ""
        for number, key, text in self._rows(query, model, *few, *asked):
            tags[number][key] = text
        return tags


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)
