"""How a child's end becomes an error of ours: what it wrote last, which signal it was, what it replied."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain import errors
from quantgate.pipelines.domain.errors import (
    ChildAbortError,
    ChildCrashError,
    InputError,
    QuantgateError,
    ServiceError,
    WorkerError,
)
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.process.calls import WorkerCall
from quantgate.pipelines.process.endings.causes import (
    brought_upon_itself,
    killed_by,
    next_after,
    signal_of,
)
from quantgate.pipelines.process.endings.last_words import last_words
from quantgate.pipelines.process.endings.shortage import (
    AGAIN,
    is_an_exception,
    killed_for_memory,
    of_the_environment,
    out_of_memory,
    out_of_room,
    short_of_memory,
)

_LOG_TAIL_BYTES = 8192
_LOG_TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How a child ended that did not end well.

    `code` is its exit code (a signal's number below zero), `peak_bytes` the most memory that it was seen to
    hold, `written_before` how long its log was when it began, `kernel_killed` whether the kernel killed
    somebody for want of memory meanwhile.
    """

    code: int
    peak_bytes: int
    written_before: int
    kernel_killed: bool


def error_of_end(end: ChildEnd, call: WorkerCall) -> QuantgateError:
    """Return what to raise for a child that did not end well: only a crash may be over its input.

    One that broke by itself ends the sentence with its own last words.
    """
    lines = _last_lines(call.log, end.written_before)
    if short := _telling(lines, short_of_memory):
        return out_of_memory(short, end.peak_bytes, where=call.module, log=call.log)
    number = signal_of(end.code)
    if number is not None and killed_for_memory(number, kernel_killed=end.kernel_killed):
        what = "the kernel killed it"
        return out_of_memory(what, end.peak_bytes, where=call.module, log=call.log)
    if number is not None:
        by_computing = brought_upon_itself(number)
        said = last_words(call.log, end.written_before) if by_computing else ""
        what = killed_by(number) + (f": {said}" if said else "")
        if by_computing and not of_the_environment(said):
            return ChildAbortError(what, where=call.module, log=call.log)
        next_step = AGAIN if by_computing else next_after(number)
        return WorkerError(what, where=call.module, next_step=next_step, log=call.log)
    reason = _telling(lines, is_an_exception) or (lines[-1] if lines else "it wrote nothing")
    what = f"ended with exit code {end.code}: {reason}"
    if full := out_of_room(reason, call.log):
        return full
    if of_the_environment(reason):
        return WorkerError(what, where=call.module, next_step=AGAIN, log=call.log)
    return ChildCrashError(what, where=call.module, log=call.log)


def _telling(lines: list[str], tells: Callable[[str], bool]) -> str | None:
    return next((line for line in reversed(lines) if tells(line)), None)


def _last_lines(log: Path, written_before: int) -> list[str]:
    """Return what a child wrote last, without what earlier ones wrote into the same log."""
    with log.open("rb") as file:
        file.seek(max(written_before, log.stat().st_size - _LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return [line.strip() for line in lines[-_LOG_TAIL_LINES:]]


def rebuilt_error(reply: JsonValue, call: WorkerCall) -> QuantgateError:
    """Return the error the worker raised, as the same class, with its own log where it names one."""
    fields = reply if isinstance(reply, dict) else {}
    kind = getattr(errors, str(fields.get("kind")), WorkerError)
    what, where, next_step, named = (
        str(value) if value is not None else None
        for value in map(fields.get, ("what", "where", "next_step", "log"))
    )
    if kind is ServiceError:
        return ServiceError(what or "failed", where=where, next_step=next_step)
    if not (isinstance(kind, type) and issubclass(kind, QuantgateError)):
        kind = InputError
    log = Path(named) if named else call.log  # a server's output stands beside the worker's
    rebuilt: QuantgateError = kind(what or "failed", where=where, next_step=next_step, log=log)
    return rebuilt
