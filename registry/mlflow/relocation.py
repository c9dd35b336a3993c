"""An MLflow database that was moved or copied with its artifacts: its absolute paths are set anew.

MLflow writes into a local database where each experiment's artifacts lie, and has no call that changes it:
in a store that was moved, files of runs could not be read any more, and new ones would go to where the
store lay. The rows are MLflow's own mapped classes (as of 3.17).
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun
from sqlalchemy import create_engine, func, update
from sqlalchemy.orm import Session

_COLUMNS = (
    (SqlExperiment, "artifact_location"),
    (SqlRun, "artifact_uri"),
    (SqlLoggedModel, "artifact_location"),
    (SqlModelVersion, "source"),
    (SqlModelVersion, "storage_location"),
)
_PAGE = 1000


def settle_artifacts(client: MlflowClient, uri: str, artifact_root: Path) -> None:
    """Let a database's experiments keep their artifacts below `artifact_root`, if they lie there by now.

    Only experiments of this program's are looked at (`<root>/mlflow-artifacts/<name>`), and only those whose
    folder is here: a database whose artifacts were left behind still names where those are.
    """
    experiments = client.search_experiments(view_type=ViewType.ALL, max_results=_PAGE)
    roots = {
        root
        for experiment in experiments
        if (root := _root(experiment.artifact_location, experiment.name, artifact_root)) is not None
        and root != artifact_root
        and (artifact_root / experiment.name).is_dir()
    }
    if not roots:
        return
    engine = create_engine(uri)
    with Session(engine) as session, session.begin():
        for root in roots:
            for table, name in _COLUMNS:
                column = getattr(table, name)
                moved = func.replace(column, f"{root.as_uri()}/", f"{artifact_root.as_uri()}/")
                below = column.startswith(f"{root.as_uri()}/", autoescape=True)
                session.execute(
                    update(table).where(below).values({name: moved}),
                    execution_options={"synchronize_session": False},
                )
    engine.dispose()


def _root(location: str, experiment: str, artifact_root: Path) -> Path | None:
    """Return the folder of all artifacts that an experiment of ours was created in, None of others'."""
    parts = urlsplit(location)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    ending = f"/{artifact_root.name}/{experiment}"
    return Path(path.removesuffix(f"/{experiment}")) if path.endswith(ending) else None
