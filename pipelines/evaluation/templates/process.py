"""Child process: renders chat templates, which are programs of others, within bounds of time and memory.

It reads one JSON line a request from its input and writes one a reply to its output until the input ends:
`{"template": text, "key": key}` makes a template known and is not answered, all else is a `RenderCall`.
An interval timer ends what Python itself computes and tells the template's line; the kernel's limit on
processor time ends what it cannot interrupt (a string of a billion characters), and with it this process.
"""

import contextlib
import json
import resource
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from math import ceil
from types import FrameType
from typing import NoReturn

from jinja2 import Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from quantgate.pipelines.evaluation.templates.calls import RenderCall, RenderReply, TemplateLimits
from quantgate.pipelines.evaluation.templates.environment import (
    OversizeError,
    environment,
    rendered,
)
from quantgate.pipelines.evaluation.templates.places import TemplateTag, failing_tag

_TEMPLATE_FILE = "<template>"
_LONGEST_PROBLEM = 300
_KILL_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _TemplateText:
    """A template's text, and how many characters it may write for one conversation."""

    text: str
    most_characters: int


class _OutOfTimeError(RuntimeError):
    pass


def main(limits: TemplateLimits) -> None:
    """Answer requests until there are no more."""
    _bound_memory(limits)
    signal.signal(signal.SIGVTALRM, _out_of_time)
    sources: dict[str, str] = {}
    compiled: dict[str, Template] = {}
    jinja = environment()
    for line in sys.stdin:
        request = json.loads(line)
        if "template" in request:
            sources[request["key"]] = request["template"]
            continue
        call = RenderCall(**request)
        started = time.process_time()
        template = _TemplateText(
            text=sources[call.key], most_characters=limits.characters_for(len(line))
        )
        reply = _reply(call, template, compiled, jinja, limits)
        reply = replace(reply, cpu_seconds=time.process_time() - started)
        sys.stdout.write(json.dumps(asdict(reply)) + "\n")
        sys.stdout.flush()


def _reply(
    call: RenderCall,
    source: _TemplateText,
    compiled: dict[str, Template],
    jinja: ImmutableSandboxedEnvironment,
    limits: TemplateLimits,
) -> RenderReply:
    _bound_time(limits.cpu_seconds)
    try:
        if call.key not in compiled:
            compiled[call.key] = jinja.from_string(source.text)
        return RenderReply(text=rendered(compiled[call.key], call, source.most_characters))
    except _OutOfTimeError as error:
        problem = f"it takes more than {limits.cpu_seconds:g} s of processor time"
        return RenderReply(problem=problem, line=_line(error), limit="time")
    except MemoryError as error:
        problem = f"it takes more than {limits.memory_bytes >> 20} MiB of memory"
        return RenderReply(problem=problem, line=_line(error), limit="memory")
    except OversizeError as error:
        return RenderReply(problem=str(error), line=0, limit="size")
    except Exception as error:  # noqa: BLE001 - a template is a program, and may raise anything
        tag = _tag(call, source, jinja)
        line = _line(error) or (tag.line if tag else 0)
        return RenderReply(problem=_words(error), line=line, tag=tag.text if tag else "")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _tag(
    call: RenderCall, source: _TemplateText, jinja: ImmutableSandboxedEnvironment
) -> TemplateTag | None:
    """Return the tag that fails; the time that is left of the conversation's bounds the search as well."""

    def line_of_failure(template: Template) -> int:
        try:
            rendered(template, call, source.most_characters)
        except Exception as error:  # noqa: BLE001 - it raises what it raised before
            return _line(error)
        return 0

    try:
        return failing_tag(jinja, source.text, line_of_failure)
    except (_OutOfTimeError, MemoryError, RecursionError):
        return None


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    if len(text) > _LONGEST_PROBLEM:
        text = text[:_LONGEST_PROBLEM] + " …"
    name = type(error).__name__
    return text if name == "TemplateError" and text else f"{name}: {text}" if text else name


def _line(error: BaseException) -> int:
    """Return the template's line that an exception came from, the innermost one; 0 where there is none."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == _TEMPLATE_FILE]
    return lines[-1] or 0 if lines else 0


def _out_of_time(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _OutOfTimeError


def _bound_memory(limits: TemplateLimits) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = limits.memory_bytes if hard == resource.RLIM_INFINITY else min(limits.memory_bytes, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS has the limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _bound_time(cpu_seconds: float) -> None:
    """Give the next conversation its time, counted from now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = ceil(used.ru_utime + used.ru_stime + cpu_seconds) + _KILL_AFTER_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or end < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (end, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)


if __name__ == "__main__":
    main(TemplateLimits(**json.loads(sys.argv[1])))
