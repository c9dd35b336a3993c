"""Names that MLflow and this registry's references (`NAME@ALIAS`, `NAME/VERSION`) can carry."""

import re

from pipelines.domain.errors import InputError

_MODEL_NAME_LENGTH = 250
_ALIAS_LENGTH = 255
_REFUSED_IN_MODEL_NAMES = re.compile(r"[/:@\\'\"`\x00-\x1f\x7f]")
_ALIAS = re.compile(r"[A-Za-z0-9_-]+")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)


def check_model_name(name: str) -> None:
    """Refuse a registered model's name that MLflow or a reference could not carry.

    Raises:
        InputError: naming the fault and a name that would do.
    """
    problem = _model_name_problem(name)
    if problem:
        suggestion = _REFUSED_IN_MODEL_NAMES.sub("-", name).strip(" .-")[:_MODEL_NAME_LENGTH]
        raise InputError(
            problem,
            where=f"model name {name!r}",
            next_step=f"set `name: {suggestion or 'my-model'}` in the build file",
        )


def check_suite_name(name: str) -> None:
    """Refuse a suite name that cannot be an MLflow alias (letters, digits, `_`, `-`; not `latest`, `v3`).

    Raises:
        InputError: naming the fault.
    """
    if not _ALIAS.fullmatch(name) or len(name) > _ALIAS_LENGTH:
        problem = "becomes an MLflow alias and may hold letters, digits, '_' and '-' only"
    elif _RESERVED_ALIAS.fullmatch(name):
        problem = "becomes an MLflow alias, and MLflow keeps this one for itself"
    else:
        return
    raise InputError(problem, where=f"suite name {name!r}", next_step="rename the suite")


def _model_name_problem(name: str) -> str | None:
    if not name or name != name.strip():
        return "is empty or has space around it"
    if found := _REFUSED_IN_MODEL_NAMES.search(name):
        return f"holds {found[0]!r}, which a registered model's name cannot"
    if name in {".", ".."} or len(name) > _MODEL_NAME_LENGTH:
        return f"is not a name of at most {_MODEL_NAME_LENGTH} characters"
    return None
