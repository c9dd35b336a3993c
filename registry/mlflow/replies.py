"""An MLflow server's REST API, asked without importing MLflow: one call an answer."""

import base64
import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

from pydantic import BaseModel
from typing_extensions import override

from quantgate.pipelines.domain.errors import ServiceError
from quantgate.pipelines.domain.secrets import without_userinfo
from quantgate.pipelines.domain.values import JsonObject
from quantgate.registry.protocol import RegistryReader
from quantgate.registry.tracking import Tracking

_TIMEOUT_SECONDS = 3.0
_MOST_BYTES = 8 << 20
_MOST_EXPERIMENTS = 1000


class _Tag(BaseModel):
    key: str
    value: str


class _Tagged(BaseModel):
    tags: tuple[_Tag, ...]

    @property
    def values(self) -> dict[str, str]:
        return {tag.key: tag.value for tag in self.tags}


class _RunInfo(BaseModel):
    status: str
    lifecycle_stage: str


class _Run(BaseModel):
    info: _RunInfo
    data: _Tagged


class _RunReply(BaseModel):
    run: _Run


class _RunsReply(BaseModel):
    runs: tuple[_Run, ...] = ()


class _VersionReply(BaseModel):
    model_version: _Tagged


class _Experiment(BaseModel):
    experiment_id: str


class _ExperimentsReply(BaseModel):
    experiments: tuple[_Experiment, ...] = ()


Reply = TypeVar("Reply", bound=BaseModel)


class MlflowReplies(RegistryReader):
    """Asks the server that a tracking names."""

    def __init__(self, tracking: Tracking) -> None:
        """Nothing is asked yet."""
        self._tracking = tracking

    @override
    def run_tags(self, run_id: str) -> Mapping[str, str]:
        run = self._ask("runs/get", _RunReply, query={"run_id": run_id}).run
        finished = (run.info.status, run.info.lifecycle_stage) == ("FINISHED", "active")
        return run.data.values if finished else {}

    @override
    def version_tags(self, model: str, number: str) -> Mapping[str, str]:
        query = {"name": model, "version": number}
        return self._ask("model-versions/get", _VersionReply, query=query).model_version.values

    @override
    def alias_tags(self, model: str, alias: str) -> Mapping[str, str]:
        query = {"name": model, "alias": alias}
        return self._ask("registered-models/alias", _VersionReply, query=query).model_version.values

    @override
    def first_content(self, suite: str) -> str | None:
        most: JsonObject = {"max_results": _MOST_EXPERIMENTS}
        listed = self._ask("experiments/search", _ExperimentsReply, body=most).experiments
        if not listed:
            return None
        body: JsonObject = {
            "experiment_ids": [experiment.experiment_id for experiment in listed],
            "filter": f"tags.suite = '{suite}' and attributes.status = 'FINISHED'",
            "order_by": ["attributes.start_time ASC"],
            "max_results": 1,
        }
        runs = self._ask("runs/search", _RunsReply, body=body).runs
        return next((run.data.values.get("suite_digest") for run in runs), None)

    def _ask(
        self,
        endpoint: str,
        reply: type[Reply],
        *,
        query: Mapping[str, str] = MappingProxyType({}),
        body: JsonObject | None = None,
    ) -> Reply:
        """Ask by a GET with a query, or by a POST with a body."""
        server = without_userinfo(self._tracking.uri).rstrip("/")
        address = f"{server}/api/2.0/mlflow/{endpoint}?{urlencode(query)}"
        sent = None if body is None else json.dumps(body).encode()
        headers = _authorization(self._tracking.uri)
        headers |= {"Content-Type": "application/json"} if sent else {}
        try:
            with urlopen(
                Request(address, data=sent, headers=headers), timeout=_TIMEOUT_SECONDS
            ) as answer:
                return reply.model_validate_json(answer.read(_MOST_BYTES))
        except (OSError, HTTPException, ValueError) as error:
            raise ServiceError(f"cannot be asked ({error})", where=self._tracking.shown) from error


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
