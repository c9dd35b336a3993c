"""The command line of `quantgate quantize`: as click hands it over, and as a shell takes it again."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.search import SearchGoal


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """The command line of `quantgate quantize`, as click hands it over."""

    model: str | None = None
    name: str | None = None
    build_file: Path | None = None
    suite: Path | None = None
    corpus: str | None = None
    recipes: str | None = None
    kv: str | None = None
    policy: Path | None = None
    plan_only: bool = False
    only: str | None = None
    anyway: bool = False
    nearest: bool = False
    foreign: tuple[str, ...] = ()
    expand: str | None = None
    offload: bool = False
    queue: bool = False
    speed: bool = False
    as_json: bool = False
    waive: str | None = None
    reason: str | None = None
    who: str | None = None
    until: str | None = None
    search: SearchGoal | None = None
    budget: str | None = None


def command_line(options: QuantizeOptions) -> str:
    """Return the command that asks for the same build again, as a shell takes it."""
    parts = ["quantgate", "quantize", *([options.model] if options.model else [])]
    for flag, value in _VALUES.items():
        given = getattr(options, value)
        for each in given if isinstance(given, tuple) else (given,):
            parts += [flag, str(each)] if each is not None else []
    parts += [f"--{name}" for name in _SWITCHES if getattr(options, name)]
    return shlex.join(parts)


_VALUES = {
    "--build": "build_file",
    **{
        f"--{name}": name
        for name in (
            *("name", "suite", "corpus", "recipes", "kv", "policy", "only", "foreign", "expand"),
            *("waive", "reason", "who", "until", "search", "budget"),
        )
    },
}
_SWITCHES = ("anyway", "nearest", "offload", "queue", "speed")
