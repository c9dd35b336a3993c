"""Why a unit of a build has no verdict."""

from dataclasses import dataclass

BUILD = "build"
REGISTER = "register"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitError:
    """Why a unit has no verdict: the error's text and the exit code of its kind.

    `transient`: a service did not answer, and the same call may succeed later.
    """

    identifier: str
    step: str
    text: str
    exit_code: int
    transient: bool = False
