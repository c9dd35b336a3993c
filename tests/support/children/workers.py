"""A small worker for tests of the process seam: it does what its request says."""

import atexit
import importlib
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError, WorkerError
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import PROGRESS_FD, serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`act` names what to do; `path` is where to leave a trace."""

    act: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was seen."""

    text: str


def work(order: Order, on_progress: OnProgress) -> Done:
    """Carry out the order."""
    if order.act == "refuse":
        raise CheckpointError("cannot be used", where="layer 3", next_step="use another")
    if order.act == "served":
        raise WorkerError("vllm ended with exit code 1", log=order.path)
    if order.act == "crash":
        raise ZeroDivisionError("a bug")
    if order.act == "no memory":
        raise MemoryError
    if order.act == "no module":
        importlib.import_module("a_module_that_nobody_installed")
    if order.act in {"SIGABRT", "SIGBUS", "SIGKILL", "SIGSEGV"}:
        os.kill(os.getpid(), getattr(signal, order.act))
    if order.act.startswith("complain then "):
        print("loading\nerror: no newline token\nsome chatter", flush=True)
        os.kill(os.getpid(), getattr(signal, order.act.removeprefix("complain then ")))
    if order.act == "tell, then SIGABRT":
        on_progress(Progress(done=0, total=0, what="beginning"))
        time.sleep(0.2)
        on_progress(Progress(done=0, total=0, what="ending"))
        os.kill(os.getpid(), signal.SIGABRT)
    if order.act.startswith("half then "):
        order.path.write_text("half")
        os.kill(os.getpid(), getattr(signal, order.act.removeprefix("half then ")))
    if order.act.startswith("say then SIGABRT: "):
        print(f"error: {order.act.partition(': ')[2]}", flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    if order.act.startswith(("raise: ", "raise and chat: ")):
        if "chat" in order.act:
            atexit.register(print, "some chatter at the end", file=sys.stderr)
        raise OSError(order.act.partition(": ")[2])
    if order.act == "compute":
        while True:
            pass
    if order.act == "write":
        order.path.write_bytes(b"x" * 100_000)
    if order.act == "take memory":
        bytearray(4 << 30)
    if order.act == "fill memory":
        bytes(b"x" * (4 << 30))
    if order.act == "full disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        order.path.write_bytes(b"x" * 100_000)
    if order.act == "sleep":
        order.path.write_text(str(os.getpid()))
        time.sleep(60)
    if order.act == "hang at exit":
        os.close(int(os.environ[PROGRESS_FD]))
        time.sleep(60)
    if order.act == "wait for end":
        order.path.write_text(str(os.getpid()))
        while not order.path.with_name("end").exists():
            time.sleep(0.02)
    if order.act == "tell place":
        return Done(text=f"{Path.cwd()} {os.environ['QUANTGATE_MARK']}")
    if order.act == "silent exit":
        os._exit(0)
    for step in range(3):
        on_progress(Progress(done=step, total=3, what="steps"))
        time.sleep(0.15)
    sys.stdout.write("chatter on stdout\n")
    return Done(text=os.environ["OMP_WAIT_POLICY"] + os.environ["OMP_NUM_THREADS"])


if __name__ == "__main__":
    serve(work, Order)
