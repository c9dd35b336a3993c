"""Names that the registry can carry, asked of before anything is built.

Rules: MLflow 3's `mlflow/utils/validation.py` (aliases: letters, digits, `_`, `-`, at most 255, not `latest`
nor `v3`; models: no `/` and `:`; metrics: no path that resolves to another name, at most 250 characters), the
references of our own registry (`NAME@ALIAS`, `NAME/VERSION`), and names of files, which most systems hold to
255 bytes and in which several of these stand together.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

LONGEST_NAME = 100
"""Characters of a name; identifiers put two of them and a digest into one name of a file."""

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_REFUSED_IN_MODEL_NAMES = re.compile(r"[/:@\\'\"`\x00-\x1f\x7f]")
_NOT_IN_METRIC_NAMES = re.compile(r"[^\w\-. /]")


def suite_name_problem(name: str) -> str | None:
    """Return why a suite's name cannot be an MLflow alias, None where it can."""
    if not _ALIAS.fullmatch(name):
        return "becomes an MLflow alias and may hold letters, digits, '_' and '-' only"
    if _RESERVED_ALIAS.fullmatch(name):
        return "becomes an MLflow alias, and MLflow keeps this one for itself"
    return _length_problem(name)


def model_name_problem(name: str) -> str | None:
    """Return why a registered model cannot have a name, None where it can."""
    if not name or name != name.strip():
        return "is empty or has space around it"
    if refused := _REFUSED_IN_MODEL_NAMES.search(name):
        return f"holds {refused[0]!r}, which a registered model's name cannot"
    if _resolves_to_another(name):
        return "is the name of a folder above, which MLflow refuses"
    return _length_problem(name)


def model_name_that_would_do(name: str) -> str:
    """Return a name near to one that was refused."""
    return _REFUSED_IN_MODEL_NAMES.sub("-", name).strip(" .-")[:LONGEST_NAME] or "my-model"


def metric_part(name: str) -> str:
    """Return a slice's name as it stands in names of metrics: `slice/<part>/break_rate`."""
    return _NOT_IN_METRIC_NAMES.sub("_", name)


def slice_problems(names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with names of slices; they stand in names of metrics, and in a list by commas."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[metric_part(name)].append(name)
        if problem := _slice_problem(name):
            yield f"slice {shown(name)} {problem}"
    for same in alike.values():
        if len(same) > 1:
            listed = " and ".join(shown(name) for name in same)
            yield f"slices {listed} would be one in the registry: rename one of them"


def _slice_problem(name: str) -> str | None:
    if not name or name != name.strip():
        return "is empty or has space around it"
    if "," in name or not name.isprintable():
        return "holds a comma or a character that cannot be printed: rename it"
    if _resolves_to_another(f"slice/{metric_part(name)}/items"):
        return "reads as a path to elsewhere, which MLflow refuses: rename it"
    return _length_problem(name)


def _resolves_to_another(name: str) -> bool:
    return posixpath.normpath(name) != name or name == "." or name.startswith(("..", "/"))


def _length_problem(name: str) -> str | None:
    if len(name) > LONGEST_NAME:
        return f"has {len(name)} characters, and names have {LONGEST_NAME} at most"
    return None


def shown(name: str) -> str:
    """Return a name in quotes, cut where it is long."""
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
