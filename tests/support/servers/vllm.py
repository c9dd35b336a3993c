"""The vLLM that `make setup-vllm` makes, or whose program QUANTGATE_VLLM names, as tests run it on a CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient
from quantgate.pipelines.engines.openai.process import Launch, free_port, started
from quantgate.pipelines.process.environments import LockedEnvironment
from tests.support.project import PROJECT
from tests.support.servers.served import parent_of

_ENVIRONMENT = LockedEnvironment(
    name="vllm",
    lock=PROJECT / "requirements" / "vllm.lock",
    tool_cache=Settings.from_environment().tool_cache,
    command="make setup-vllm",
)
VLLM = os.environ.get("QUANTGATE_VLLM") or str(_ENVIRONMENT.folder / "bin" / "vllm")
NO_VLLM = None if Path(VLLM).is_file() else f"no vLLM: `{_ENVIRONMENT.command}`"
VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}
STARTUP_SECONDS = 1200


@contextmanager
def running_vllm(model: Path, log: Path, *options: str) -> Iterator[str]:
    """Run a vLLM that somebody else started, for the time of a block; yields its URL once it can be asked."""
    port = free_port()
    command = [VLLM, "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "bfloat16", "--enforce-eager", "--max-model-len", "512"]
    launch = Launch(
        command=(*command, "--max-num-seqs", "16", *options),
        environment=os.environ | VARIABLES | {"OMP_NUM_THREADS": "2"},
        engine="vllm",
        url=f"http://127.0.0.1:{port}",
        log=log,
    )
    client = ServerClient(Endpoint(url=launch.url, timeout_seconds=60.0, connections=1))
    with started(launch) as server:
        try:
            server.wait_until_ready(client.ready, STARTUP_SECONDS)
            yield launch.url
        finally:
            client.close()


def engines_of(ancestor: int) -> list[int]:
    """The engine processes that a process, or what it started, has started."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or b"EngineCore" not in (folder / "cmdline").read_bytes():
                continue
            pid = int(folder.name)
            while pid > 1 and pid != ancestor:
                pid = parent_of(pid)
        except OSError:  # it has ended
            continue
        if pid == ancestor:
            found.append(int(folder.name))
    return found
