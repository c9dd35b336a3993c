"""Cheap proofs that a receipt still holds, without importing MLflow; in doubt the answer is no."""

import base64
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

from pydantic import BaseModel

from quantgate.pipelines.domain.secrets import without_userinfo
from quantgate.pipelines.domain.values import JsonObject
from quantgate.registry.recording.receipts import Receipt
from quantgate.registry.tracking import Tracking

_TIMEOUT_SECONDS = 3.0
_MOST_BYTES = 8 << 20
_RUN_QUERY = """
    SELECT 1 FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'evidence_key'
    WHERE runs.run_uuid = ? AND lifecycle_stage = 'active' AND status = 'FINISHED' AND tags.value = ?
"""
_VERSION_QUERY = """
    SELECT 1 FROM model_versions AS version
    JOIN model_version_tags AS tag
        ON tag.name = version.name AND tag.version = version.version AND tag.key = ?
    WHERE version.name = ? AND version.version = ? AND current_stage != 'Deleted_Internal'
        AND tag.value = ?
"""
_ALIAS_QUERY = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"


def still_recorded(receipt: Receipt, tracking: Tracking) -> bool:
    """Whether the registry still holds what the receipt says: finished run, version, alias.

    Proved by reading SQLite or asking the server's REST API. Anything unexpected is False: then the
    caller records again, which finds what is there and completes it.
    """
    if tracking.database is not None:
        return _stands_in_database(receipt, tracking.database)
    if tracking.is_server:
        return _stands_on_server(receipt, tracking.uri)
    return False


def _stands_in_database(receipt: Receipt, database: Path) -> bool:
    """Read MLflow's own tables (as of MLflow 3.17) read-only; a schema that differs proves nothing."""
    try:
        with closing(
            sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=2.0)
        ) as tables:
            return _in_tables(receipt, tables)
    except (sqlite3.Error, ValueError):
        return False


def _stands_on_server(receipt: Receipt, uri: str) -> bool:
    """Ask an MLflow server's REST API (one call, three for a registered version)."""
    try:
        return _in_replies(receipt, uri)
    except (OSError, HTTPException, ValueError, KeyError):
        return False


def _in_tables(receipt: Receipt, tables: sqlite3.Connection) -> bool:
    def holds(query: str, *values: str | int) -> bool:
        return tables.execute(query, values).fetchone() is not None

    if not holds(_RUN_QUERY, receipt.run_id, receipt.evidence_key):
        return False
    if receipt.version is None:
        return True
    model, number = receipt.model, int(receipt.version)
    champion = tables.execute(_ALIAS_QUERY, (model, receipt.alias)).fetchone()
    return (
        holds(_VERSION_QUERY, "version_key", model, number, receipt.version_key)
        and holds(_VERSION_QUERY, "verdict", model, number, receipt.decision)
        and champion is not None
        and holds(_VERSION_QUERY, "scope", model, int(champion[0]), receipt.scope)
    )


class Tag(BaseModel):
    """A tag as the REST API tells it."""

    key: str
    value: str


class _RunInfo(BaseModel):
    status: str
    lifecycle_stage: str


class _RunData(BaseModel):
    tags: tuple[Tag, ...]


class _Run(BaseModel):
    info: _RunInfo
    data: _RunData


class _RunReply(BaseModel):
    run: _Run


class _Version(BaseModel):
    tags: tuple[Tag, ...]


class _VersionReply(BaseModel):
    model_version: _Version


Reply = TypeVar("Reply", bound=BaseModel)


def _in_replies(receipt: Receipt, uri: str) -> bool:
    run = ask(uri, "runs/get", _RunReply, query={"run_id": receipt.run_id}).run
    if (run.info.status, run.info.lifecycle_stage) != ("FINISHED", "active"):
        return False
    if _values(run.data.tags)["evidence_key"] != receipt.evidence_key:
        return False
    if receipt.version is None:
        return True
    of_version = {"name": receipt.model, "version": receipt.version}
    of_alias = {"name": receipt.model, "alias": receipt.alias}
    version = ask(uri, "model-versions/get", _VersionReply, query=of_version)
    champion = ask(uri, "registered-models/alias", _VersionReply, query=of_alias)
    tags = _values(version.model_version.tags)
    return (
        tags["version_key"] == receipt.version_key
        and tags["verdict"] == receipt.decision
        and _values(champion.model_version.tags)["scope"] == receipt.scope
    )


def _values(tags: tuple[Tag, ...]) -> dict[str, str]:
    return {tag.key: tag.value for tag in tags}


def ask(
    uri: str,
    endpoint: str,
    reply: type[Reply],
    *,
    query: Mapping[str, str] = MappingProxyType({}),
    body: JsonObject | None = None,
) -> Reply:
    """Ask an MLflow server's REST API: a GET with a query, or a POST with a body.

    Raises:
        OSError, http.client.HTTPException, ValueError: where it does not answer, or answers something else.
    """
    address = f"{without_userinfo(uri).rstrip('/')}/api/2.0/mlflow/{endpoint}?{urlencode(query)}"
    sent = None if body is None else json.dumps(body).encode()
    headers = _authorization(uri) | ({"Content-Type": "application/json"} if sent else {})
    request = Request(address, data=sent, headers=headers)
    with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        return reply.model_validate_json(answer.read(_MOST_BYTES))


def _authorization(uri: str) -> dict[str, str]:
    """Return the header MLflow's own client would send: credentials of the URI or the environment."""
    parts = urlsplit(uri)
    user = unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {encoded}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
