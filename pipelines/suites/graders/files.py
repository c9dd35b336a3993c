"""Every grader that a suite file can ask for."""

from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue

from quantgate.pipelines.suites.graders.lm_eval import LmEvalFile
from quantgate.pipelines.suites.graders.observed import ObservedGraderFile
from quantgate.pipelines.suites.graders.structures import StructureGraderFile
from quantgate.pipelines.suites.graders.texts import TextGraderFile


def _spelled_out(value: JsonValue) -> JsonValue:
    """`grader: exact` is short for `grader: {kind: exact}`."""
    return {"kind": value} if isinstance(value, str) else value


AnyGraderFile = Annotated[
    Annotated[
        TextGraderFile | StructureGraderFile | ObservedGraderFile | LmEvalFile,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_spelled_out),
]
