"""MLflow's logged models and data sets: what a run made and on what, linked to it and to its versions."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

from quantgate.registry.protocol import DatasetInput, RunContent

with warnings.catch_warnings():
    # MLflow warns about its own use of pydantic and of unannotated types while it is imported.
    warnings.simplefilter("ignore")
    from mlflow import MlflowClient, entities
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

_EVALUATION = "evaluation"
_DIGEST_CHARACTERS = 36
"""So many of a data set's digest MLflow keeps."""


class LoggedModels:
    """The logged models of runs; each run of ours has at most one."""

    def __init__(self, client: MlflowClient) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._known: dict[str, entities.LoggedModel] = {}

    def of_run(self, run_id: str) -> entities.LoggedModel | None:
        """Return the model that a run made; one that was there is not asked for again."""
        if run_id not in self._known and (model := self._of_run(run_id)) is not None:
            self._known[run_id] = model
        return self._known.get(run_id)

    def _of_run(self, run_id: str) -> entities.LoggedModel | None:
        experiment = self._client.get_run(run_id).info.experiment_id
        models = self._client.search_logged_models(
            [experiment], filter_string=f"source_run_id = '{run_id}'", max_results=1
        )
        return next(iter(models), None)

    def add(self, run_id: str, folder: Path) -> None:
        """Keep a folder as the model that a run made; again where an earlier try was interrupted."""
        run = self._client.get_run(run_id)
        model = self.of_run(run_id) or self._client.create_logged_model(
            run.info.experiment_id,
            name=_allowed(run.info.run_name),
            source_run_id=run_id,
            tags=_shown(run.data.tags),
            params={"suite": run.data.tags.get("suite", "")},
            model_type="quantized variant",
        )
        self._known[run_id] = model
        self._client.log_model_artifacts(model.model_id, str(folder))
        self._client.finalize_logged_model(model.model_id, "READY")
        outputs = run.outputs.model_outputs if run.outputs else []
        if model.model_id not in {output.model_id for output in outputs}:
            self._client.log_outputs(run_id, [entities.LoggedModelOutput(model.model_id, step=0)])

    def name_version(self, model: entities.LoggedModel, name: str, number: str) -> None:
        """Let a model's page name the version that was made from it."""
        named = json.dumps([{"name": name, "version": number}])
        self._client.set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: named})


def metrics_of(content: RunContent, moment: int, model_id: str | None) -> Iterator[entities.Metric]:
    """Yield a run's metrics; those of a model also name the data set that they were measured on.

    One moment per run: MLflow keeps equal (name, value, moment) only once.
    """
    measured = next((each for each in content.inputs if each.role == _EVALUATION), None)
    dataset = (
        {
            "dataset_name": measured.name,
            "dataset_digest": measured.sha256[:_DIGEST_CHARACTERS],
        }
        if measured is not None and model_id is not None
        else {}
    )
    for name, value in content.metrics.items():
        yield entities.Metric(name, value, moment, 0, model_id=model_id, **dataset)
    for name, value in content.build_metrics.items():
        yield entities.Metric(name, value, moment, 0, model_id=model_id)


def input_of(given: DatasetInput) -> entities.DatasetInput:
    """Return an input with the whole sha256 as a tag: MLflow keeps the beginning of a digest only."""
    dataset = entities.Dataset(
        name=given.name,
        digest=given.sha256[:_DIGEST_CHARACTERS],
        source_type="local",
        source=json.dumps({"uri": given.source}),
    )
    tags = {"mlflow.data.context": given.role, "sha256": given.sha256}
    return entities.DatasetInput(
        dataset, tags=[entities.InputTag(key, value) for key, value in tags.items()]
    )


def _allowed(name: str) -> str:
    """Return a name that MLflow takes for a model: it refuses some signs."""
    return "".join("_" if sign in "/:.%\"'" else sign for sign in name)


def _shown(tags: dict[str, str]) -> dict[str, str]:
    names = ("format", "numerics", "verdict", "suite", "corpus", "evidence_key")
    return {name: tags[name] for name in names if name in tags}
