"""Options of graders of structured answers: JSON and tool calls."""

from typing import Annotated, Literal

from pydantic import Field

from quantgate.pipelines.domain.suites.call_format import CallFormat
from quantgate.pipelines.suites.graders.base import GraderFile

CallFormatName = Literal["auto", CallFormat]
"""How a model family writes calls; `auto` decides by what the answer holds."""


class ToolCallFile(GraderFile):
    """One call compared by meaning."""

    kind: Literal["tool_call"]
    format: CallFormatName = "json"
    """How the answer writes its call; `json` is one JSON object with `name` and `arguments`."""


class BfclFile(GraderFile):
    """Calls compared with BFCL's answer format: allowed values, optional arguments, any order."""

    kind: Literal["bfcl"]
    format: CallFormatName = "auto"
    """How the answer writes its calls."""
    strings: Literal["bfcl", "exact"] = "bfcl"
    """`bfcl` ignores case, spaces and some punctuation in texts, as the leaderboard does."""
    underscores: bool = False
    """Whether `math_factorial` stands for the tool `math.factorial`."""


class JsonFile(GraderFile):
    """JSON scored by aspects: whether it parses, meets its schema, and has the expected fields."""

    kind: Literal["json"]
    match: Literal["exact", "subset"] = "exact"
    """`subset` lets an answer have fields that are not expected."""
    unordered: tuple[Annotated[str, Field(pattern=r"^(\*|\$.*)$")], ...] = ()
    """Arrays whose order does not count, as `$.items` or `$.orders[*].tags`; `*` is every array."""
    absolute: float = Field(default=0.0, ge=0)
    """How far a number may be off."""
    relative: float = Field(default=0.0, ge=0)
    """How far a number may be off as a share of the expected one."""
    formats: bool = True
    """Whether the schema's `format` (date, time, date-time, email, ipv4, ipv6, uuid) is asserted."""


StructureGraderFile = ToolCallFile | BfclFile | JsonFile
