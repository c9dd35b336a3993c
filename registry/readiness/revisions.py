"""Which schema the installed MLflow writes: the last of its own migrations, read as text."""

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from quantgate.pipelines.domain.errors import ServiceError, ToolchainError

_REVISION = re.compile(r"""^revision\s*(?::[^=]*)?=\s*["'](\w+)["']""", re.MULTILINE)
_BEFORE = re.compile(r"""^down_revision\s*(?::[^=]*)?=\s*["'](\w+)["']""", re.MULTILINE)
_FOLDER = Path("store") / "db_migrations" / "versions"


def refuse_other_schema(revision: str, *, where: str, uri: str) -> None:
    """Refuse a database whose schema is not the one that the installed MLflow reads and writes.

    Raises:
        ServiceError: it is an older one, or a newer MLflow's.
        ToolchainError: MLflow is not installed.
    """
    revisions, newest = _revisions()
    if revision == newest or not newest:
        return
    if revision in revisions:
        raise ServiceError(
            "the registry's database has the schema of an older MLflow",
            where=where,
            next_step=f"save a copy of it, then: mlflow db upgrade {uri}",
        )
    raise ServiceError(
        f"the registry's database has a schema that this MLflow does not know ({revision})",
        where=where,
        next_step="install the MLflow that it was last used with, or a newer one",
    )


@lru_cache(maxsize=1)
def _revisions() -> tuple[frozenset[str], str]:
    """Return all revisions that the installed MLflow knows, and the one that no other follows."""
    spec = find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise ToolchainError(
            "MLflow is not installed: nothing can be registered", next_step="make setup"
        )
    texts = [
        path.read_text(encoding="utf-8")
        for path in (Path(spec.submodule_search_locations[0]) / _FOLDER).glob("*.py")
    ]
    revisions = {match[1] for text in texts if (match := _REVISION.search(text))}
    followed = {match[1] for text in texts if (match := _BEFORE.search(text))}
    newest = sorted(revisions - followed)
    return frozenset(revisions), newest[0] if len(newest) == 1 else ""
