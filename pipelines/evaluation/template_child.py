"""Chat templates rendered in a child process, so that none can hang, fill or end this one.

One child serves all templates of this process. It is started with the first conversation, ends when its
input does (so with this process, however that ends), and is started anew where a conversation ended it.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import asdict
from typing import IO

from pipelines.domain.values import Digest, digest_of
from pipelines.evaluation.template_calls import RenderCall, RenderReply, TemplateLimits
from pipelines.process.runner import worker_environment

_PROCESS = "pipelines.evaluation.template_process"
_LIMITS = TemplateLimits()


class TemplateChild:
    """Renders conversations one after another, from any number of threads."""

    def __init__(self, limits: TemplateLimits = _LIMITS) -> None:
        """Start nothing yet; `limits` hold for each conversation."""
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stop: Callable[[], int | None] = _nothing_to_stop
        self._known: set[Digest] = set()

    def render(self, template: str, call: RenderCall) -> RenderReply:
        """Return what a template makes of a conversation; whatever it does wrong is in the reply."""
        line = json.dumps(asdict(call)) + "\n"
        with self._lock:
            process = self._started()
            try:
                self._define(process, Digest(call.key), template)
                answer = _asked(process, line)
            except (
                BaseException
            ):  # an interrupt between question and answer: the next would get this one's
                self._end()
                raise
            if answer:
                return RenderReply(**json.loads(answer))
            return _ended(self._end(), self._limits)

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", _PROCESS, json.dumps(asdict(self._limits))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=worker_environment(1),
                start_new_session=True,
            )
            self._stop = weakref.finalize(self, _stop, self._process)
        return self._process

    def _define(self, process: "subprocess.Popen[str]", key: Digest, template: str) -> None:
        if key not in self._known:
            _say(process.stdin, json.dumps({"key": key, "template": template}) + "\n")
            self._known.add(key)

    def _end(self) -> int:
        self._process = None
        self._known.clear()
        return self._stop() or 0


def _nothing_to_stop() -> None:
    """Stand in for the end of a child that was never started."""


def template_key(template: str) -> Digest:
    """Return what a template is called between the processes."""
    return digest_of(template)


def _asked(process: "subprocess.Popen[str]", line: str) -> str:
    """Return the reply, "" where the child ended over the question."""
    _say(process.stdin, line)
    assert process.stdout is not None
    return process.stdout.readline()


def _say(stream: IO[str] | None, line: str) -> None:
    assert stream is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended: its missing reply says so
        stream.write(line)
        stream.flush()


def _stop(process: "subprocess.Popen[str]") -> int:
    """End a child that reads no more questions and return its exit code."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        return process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ended(code: int, limits: TemplateLimits) -> RenderReply:
    if -code == signal.SIGXCPU:
        problem = f"it takes more than {limits.cpu_seconds:g} s of processor time"
        return RenderReply(problem=problem, limit="time")
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return RenderReply(problem=f"it ended the process that rendered it ({how})", limit="memory")
