"""An MLflow server's replies, without MLflow: it filters, and its pages are followed to their end."""

from collections.abc import Iterator, Mapping
from typing import Any

from typing_extensions import override

from quantgate.pipelines.domain.values import JsonObject
from quantgate.registry.lineage_tag import spread
from quantgate.registry.protocol import (
    AliasChange,
    RecordedVersion,
    RegistryReader,
    TaggedRun,
    VersionQuery,
)
from quantgate.registry.reading.alias_changes import changes_of
from quantgate.registry.reading.server import AbsentError, ServerRequests

_PAGE = 1000
_MOST_EXPERIMENTS = 1000
_MOST_NAMES = 50
_SHORTEST_STEM = 3
_FINISHED = "attributes.status = 'FINISHED'"


class RepliesReader(RegistryReader):
    """Asks a server."""

    def __init__(self, requests: ServerRequests) -> None:
        """Nothing is asked yet."""
        self._requests = requests
        self._models: dict[str, Any] = {}

    @override
    def run_tags(self, run_id: str) -> Mapping[str, str]:
        endpoint = "runs/get"
        try:
            run = self._field(endpoint, self._requests.get(endpoint, {"run_id": run_id}), "run")
        except AbsentError:
            return {}
        info = self._field(endpoint, run, "info")
        finished = (info.get("status"), info.get("lifecycle_stage")) == ("FINISHED", "active")
        return _tags(self._field(endpoint, run, "data")) if finished else {}

    @override
    def version(self, model: str, number: str) -> RecordedVersion | None:
        return self._version("model-versions/get", {"name": model, "version": number})

    @override
    def alias_version(self, model: str, alias: str) -> RecordedVersion | None:
        return self._version("registered-models/alias", {"name": model, "alias": alias})

    @override
    def versions(self, query: VersionQuery) -> tuple[RecordedVersion, ...]:
        conditions = [f"name = {_quoted(query.model)}"]
        conditions += [f"tags.`{key}` = {_quoted(text)}" for key, text in query.tags.items()]
        conditions += [
            f"tags.`{key}` != {_quoted(text)}"
            for key, texts in query.other_tags.items()
            for text in texts
        ]
        asked = {"filter": " and ".join(conditions), "order_by": "version_number DESC"}
        held = self._paged("model-versions/search", "model_versions", asked, query.limit)
        return tuple(map(self._recorded, held))

    @override
    def aliases(self, model: str) -> Mapping[str, str] | None:
        held = self._model(model)
        if held is None:
            return None
        return {each["alias"]: str(each["version"]) for each in held.get("aliases", [])}

    @override
    def alias_changes(self, model: str) -> tuple[AliasChange, ...]:
        return changes_of(_tags(self._model(model) or {}))

    @override
    def model_names(self, like: str) -> tuple[str, ...]:
        """As the protocol says; a server is asked for names that begin alike, else for its first ones."""
        stem = like[: max(_SHORTEST_STEM, len(like) // 2)].replace("%", "")
        for asked in ({"filter": f"name ILIKE {_quoted(stem + '%')}"}, dict[str, str]()):
            held = self._paged("registered-models/search", "registered_models", asked, _MOST_NAMES)
            if names := sorted(str(each.get("name")) for each in held):
                return tuple(names)
        return ()

    @override
    def tagged_runs(self, experiment: str, tags: Mapping[str, str]) -> tuple[TaggedRun, ...]:
        endpoint = "experiments/get-by-name"
        try:
            answer = self._requests.get(endpoint, {"experiment_name": experiment})
        except AbsentError:
            return ()
        home = self._field(endpoint, answer, "experiment").get("experiment_id")
        conditions = [f"tags.`{key}` = {_quoted(text)}" for key, text in tags.items()]
        runs = self._runs([home], conditions, "DESC", _PAGE)
        return tuple(
            TaggedRun(id=str(run["info"]["run_id"]), tags=_tags(run["data"])) for run in runs
        )

    @override
    def run_file(self, run_id: str, name: str) -> bytes | None:
        try:
            return self._requests.content("get-artifact", {"path": name, "run_uuid": run_id})
        except AbsentError:
            return None

    @override
    def first_content(self, suite: str) -> str | None:
        most: JsonObject = {"max_results": _MOST_EXPERIMENTS}
        endpoint = "experiments/search"
        listed = self._list(endpoint, self._requests.post(endpoint, most), "experiments")
        homes = [experiment.get("experiment_id") for experiment in listed]
        if not homes:
            return None
        runs = self._runs(homes, [f"tags.suite = {_quoted(suite)}"], "ASC", 1)
        return next((_tags(run["data"]).get("suite_digest") for run in runs), None)

    def _runs(self, homes: list[Any], conditions: list[str], order: str, most: int) -> list[Any]:
        endpoint = "runs/search"
        body: JsonObject = {
            "experiment_ids": homes,
            "filter": " and ".join([*conditions, _FINISHED]),
            "order_by": [f"attributes.start_time {order}"],
            "max_results": most,
        }
        runs = self._list(endpoint, self._requests.post(endpoint, body), "runs")
        if not all(run.get("info", {}).get("run_id") and "data" in run for run in runs):
            raise self._requests.malformed(endpoint)
        return runs

    def _version(self, endpoint: str, query: Mapping[str, str]) -> RecordedVersion | None:
        try:
            answer = self._requests.get(endpoint, query)
        except AbsentError:
            return None
        return self._recorded(self._field(endpoint, answer, "model_version"))

    def _model(self, model: str) -> Any | None:
        """Return a registered model, asked for once: a reader answers one question."""
        endpoint = "registered-models/get"
        if model not in self._models:
            try:
                answer = self._requests.get(endpoint, {"name": model})
            except AbsentError:
                return None
            self._models[model] = self._field(endpoint, answer, "registered_model")
        return self._models[model]

    def _paged(
        self, endpoint: str, name: str, asked: Mapping[str, str], most: int | None
    ) -> Iterator[Any]:
        """Yield what pages of an answer hold, at most `most` of it."""
        token, left = "", most
        while left is None or left > 0:
            page = {"max_results": str(_PAGE if left is None else min(left, _PAGE))}
            answer = self._requests.get(
                endpoint, {**asked, **page, **({"page_token": token} if token else {})}
            )
            held = self._list(endpoint, answer, name)
            yield from held
            token = str(answer.get("next_page_token") or "")
            if not token or not held:
                return
            left = None if left is None else left - len(held)

    def _recorded(self, held: Any) -> RecordedVersion:
        try:
            return RecordedVersion(
                number=str(held["version"]),
                run_id=str(held.get("run_id") or ""),
                tags=spread(_tags(held)),
                created_ms=int(held["creation_timestamp"]),
                aliases=tuple(sorted(map(str, held.get("aliases", [])))),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise self._requests.malformed("model-versions") from error

    def _list(self, endpoint: str, answer: Any, name: str) -> list[Any]:
        held = answer.get(name, [])
        if not isinstance(held, list) or not all(isinstance(each, dict) for each in held):
            raise self._requests.malformed(endpoint)
        return held

    def _field(self, endpoint: str, answer: Any, name: str) -> Any:
        held = answer.get(name)
        if not isinstance(held, dict):
            raise self._requests.malformed(endpoint)
        return held


def _tags(held: Any) -> dict[str, str]:
    return {str(tag["key"]): str(tag.get("value", "")) for tag in held.get("tags", [])}


def _quoted(text: str) -> str:
    """Return a text in quotes that are not in it: MLflow's filters know no escape."""
    return f"'{text}'" if "'" not in text else f'"{text}"'
