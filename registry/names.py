"""Names that MLflow and this registry's references (`NAME@ALIAS`, `NAME/VERSION`) can carry."""

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.registrable import (
    model_name_problem,
    model_name_that_would_do,
    suite_name_problem,
)


def check_model_name(name: str) -> None:
    """Refuse a registered model's name that MLflow or a reference could not carry.

    Raises:
        InputError: naming the fault and a name that would do.
    """
    if problem := model_name_problem(name):
        raise InputError(
            problem,
            where=f"model name {name!r}",
            next_step=f"set `name: {model_name_that_would_do(name)}` in the build file",
        )


def check_asked_name(name: str) -> None:
    """Refuse a name that no registered model can have.

    Raises:
        InputError: naming the fault; where a whole reference stands for a name, what takes one.
    """
    if problem := model_name_problem(name):
        model, _, alias = name.partition("@")
        raise InputError(
            problem,
            where=f"model name {name!r}",
            next_step=f"look it up by suite ({model} --suite {alias}); {name} is for lineage, verify, pull"
            if alias
            else "name a registered model; NAME@ALIAS and NAME/VERSION are for lineage, verify and pull",
        )


def check_suite_name(name: str) -> None:
    """Refuse a suite name that cannot be an MLflow alias (letters, digits, `_`, `-`; not `latest`, `v3`).

    Raises:
        InputError: naming the fault.
    """
    if problem := suite_name_problem(name):
        raise InputError(problem, where=f"suite name {name!r}", next_step="rename the suite")
