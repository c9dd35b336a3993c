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
from dataclasses import asdict, dataclass, field
from typing import IO

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.evaluation.templates.calls import RenderCall, RenderReply, TemplateLimits
from quantgate.pipelines.process.endings.causes import killed_by
from quantgate.pipelines.process.runner import worker_environment

_PROCESS = "quantgate.pipelines.evaluation.templates.process"
_LIMITS = TemplateLimits()
_MOST_LIMITED = 2
_TRIES = 2
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What ends the child without the conversation having a part in it."""


@dataclass(slots=True)
class _Record:
    """What a template took so far in this process."""

    conversations: int = 0
    cpu_seconds: float = 0.0
    limited: list[RenderReply] = field(default_factory=list)

    def add(self, reply: RenderReply) -> None:
        """Count a conversation."""
        self.conversations += 1
        self.cpu_seconds += reply.cpu_seconds
        if reply.limit is not None:
            self.limited.append(reply)

    def refusal(self, limits: TemplateLimits) -> RenderReply | None:
        """Return why the template is not tried again, None where it is."""
        if len(self.limited) >= _MOST_LIMITED:
            return self.limited[-1]
        slow = self.cpu_seconds > limits.slow_cpu_seconds * self.conversations
        if not slow or self.cpu_seconds < limits.total_cpu_seconds:
            return None
        problem = f"it took {self.cpu_seconds:.0f} s of processor time for {self.conversations} conversations"
        return RenderReply(problem=problem, limit="time")


class TemplateChild:
    """Renders conversations one after another, from any number of threads."""

    def __init__(self, limits: TemplateLimits = _LIMITS) -> None:
        """Start nothing yet; `limits` hold for each conversation."""
        self._limits = limits
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._stop: Callable[[], int | None] = _nothing_to_stop
        self._known: set[Digest] = set()
        self._records: dict[Digest, _Record] = {}

    def render(self, template: str, call: RenderCall) -> RenderReply:
        """Return what a template makes of a conversation; whatever it does wrong is in the reply.

        A template that reached a limit twice, or is slow with everything, is not tried again.

        Raises:
            WorkerError: where the child was killed from outside, and so was the next one.
        """
        line = json.dumps(asdict(call)) + "\n"
        with self._lock:
            record = self._records.setdefault(Digest(call.key), _Record())
            if refusal := record.refusal(self._limits):
                return refusal
            reply = self._asked(template, call, line)
            record.add(reply)
            return reply

    def _asked(self, template: str, call: RenderCall, line: str) -> RenderReply:
        for _ in range(_TRIES):
            process = self._started()
            try:
                self._define(process, Digest(call.key), template)
                answer = _asked(process, line)
            except BaseException:  # interrupted: the next question would get this one's answer
                self._end()
                raise
            if answer:
                return RenderReply(**json.loads(answer))
            code = self._end()
            if -code not in _FROM_OUTSIDE:
                return _ended(code, self._limits)
        raise WorkerError(
            f"what renders chat templates {killed_by(-code)}, twice",
            next_step="free memory, and run the same command again",
        )

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
