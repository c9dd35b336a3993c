"""Names in files that people write, held to what the registry can carry (`pipelines.domain.registrable`)."""

from typing import Annotated

from pydantic import AfterValidator, Field

from quantgate.pipelines.domain.registrable import (
    LONGEST_NAME,
    model_name_problem,
    model_name_that_would_do,
    shown,
    suite_name_problem,
)


def _suite_name(name: str) -> str:
    if problem := suite_name_problem(name):
        raise ValueError(f"{shown(name)} {problem}")
    return name


def _model_name(name: str) -> str:
    if problem := model_name_problem(name):
        raise ValueError(f"{shown(name)} {problem}; {model_name_that_would_do(name)!r} would do")
    return name


SuiteName = Annotated[str, AfterValidator(_suite_name)]
ModelName = Annotated[str, AfterValidator(_model_name)]
CorpusName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME)]
