"""With which content a registry knows a `suite@version`: asked in milliseconds, without importing MLflow.

The first finished run, of whatever model, that was judged on it counts: what was judged first is what the
version is. A database that is no SQLite file has no cheap way; registering asks it through MLflow.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

from pydantic import BaseModel

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import JsonObject
from quantgate.registry.recording.proofs import Tag, ask
from quantgate.registry.tracking import Tracking

_MOST_EXPERIMENTS = 1000
_SHOWN_DIGITS = 12
_FIRST_QUERY = """
    SELECT content.value FROM runs
    JOIN tags AS suite ON suite.run_uuid = runs.run_uuid AND suite.key = 'suite'
    JOIN tags AS content ON content.run_uuid = runs.run_uuid AND content.key = 'suite_digest'
    WHERE suite.value = ? AND lifecycle_stage = 'active' AND status = 'FINISHED'
    ORDER BY runs.start_time LIMIT 1
"""


def known_content(suite: str, tracking: Tracking) -> str | None:
    """Return the digest that `name@version` stands for in a registry, None where it does not know it.

    Raises:
        ServiceError: where that cannot be asked now, or not without MLflow.
    """
    try:
        if tracking.database is not None:
            return _in_tables(suite, tracking.database)
        if tracking.is_server:
            return _in_replies(suite, tracking.uri)
    except (sqlite3.Error, OSError, HTTPException, ValueError) as error:
        raise ServiceError(f"cannot be asked ({error})", where=tracking.shown) from error
    raise ServiceError("is asked through MLflow alone", where=tracking.shown)


def other_content(suite: Suite, known: str) -> str:
    """Say that a suite is not the content that its version stands for in a registry."""
    return (
        f"{suite.name}@{suite.version} is another content in this registry: {known[:_SHOWN_DIGITS]} "
        f"there, {suite.digest[:_SHOWN_DIGITS]} here"
    )


def _in_tables(suite: str, database: Path) -> str | None:
    if not database.is_file():
        return None
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=2.0)) as tables:
        row = tables.execute(_FIRST_QUERY, (suite,)).fetchone()
    return str(row[0]) if row else None


class _Experiment(BaseModel):
    experiment_id: str


class _Experiments(BaseModel):
    experiments: tuple[_Experiment, ...] = ()


class _RunData(BaseModel):
    tags: tuple[Tag, ...]


class _Run(BaseModel):
    data: _RunData


class _Runs(BaseModel):
    runs: tuple[_Run, ...] = ()


def _in_replies(suite: str, uri: str) -> str | None:
    listed = ask(uri, "experiments/search", _Experiments, body={"max_results": _MOST_EXPERIMENTS})
    body: JsonObject = {
        "experiment_ids": [one.experiment_id for one in listed.experiments],
        "filter": f"tags.suite = '{suite}' and attributes.status = 'FINISHED'",
        "order_by": ["attributes.start_time ASC"],
        "max_results": 1,
    }
    found = ask(uri, "runs/search", _Runs, body=body).runs if listed.experiments else ()
    tags: Mapping[str, str] = {tag.key: tag.value for run in found for tag in run.data.tags}
    return tags.get("suite_digest")
