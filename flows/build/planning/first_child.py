"""What is done beside planning once a plan turns out to take a while: with its first child process."""

import threading
from collections.abc import Callable

from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    RunWorker,
    WorkerCall,
    WorkerReply,
)


class FirstChild:
    """Runs workers, and calls `before` once, before the first of them; from several threads at once."""

    def __init__(self, run_worker: RunWorker, before: Callable[[], None]) -> None:
        """Run workers with `run_worker`."""
        self._run_worker, self._before = run_worker, before
        self._lock = threading.Lock()
        self._called = False

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        """Run a worker to its end; as `RunWorker`."""
        with self._lock:
            if not self._called:
                self._called = True
                self._before()
        return self._run_worker(call, reply_type, on_progress)
