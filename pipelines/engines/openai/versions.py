"""What of a server is part of every verdict, found out while planning: its version and its environment."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.server import GPU, Server, decides_tokens
from quantgate.pipelines.engines.http.client import Endpoint, ServerClient
from quantgate.pipelines.engines.openai.dialects import dialect_of
from quantgate.pipelines.engines.openai.session import api_key, listed_models, reported_version
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.process.devices.engines import chosen_devices
from quantgate.pipelines.process.launch import NOT_STARTED, bound, parent_here

_TIMEOUT_SECONDS = 120.0
_LONGEST_SHEBANG = 512
_VERSION = re.compile(r"^v?\d+(?:\.\d+)+[\w.+-]*$")
_SAYS_VERSION = re.compile(r"\bversion\b.*\d", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_LOGGED = re.compile(r"\b(?:DEBUG|INFO|WARNING|ERROR)\b|Warning:|\d\d:\d\d:\d\d")
_INTERPRETER = re.compile(r"python[\d.]*|bash|sh|env|uv|docker|podman|srun|ssh")
"""Programs that would tell their own version, not that of what they run."""


def identified(
    server: Server, memory: Path | None = None, outer: Mapping[str, str] = os.environ
) -> Server:
    """Return a server with its version: its own report at a URL, else what is stated, else what its
    program prints (`--version`, mostly).

    A command that is not there keeps what is stated: `missing` says so in one sentence. What `--version`
    printed is remembered in the file `memory` by the program's path, size and time: vLLM takes ten seconds
    to say it. A started one also gets its environment: of `outer` what may change tokens, and what is stated;
    and one that is stated to compute on a `gpu` the kind of those that this machine chose.

    Raises:
        ServiceError: where a running server cannot be reached.
        InputError: where nothing tells the version, or it computes on a GPU and none is chosen.
    """
    if server.url:
        return replace(server, version=_reported(server) or _stated(server))
    if server.device == GPU:
        server = replace(server, device=_gpus(server))
    inherited = {name: value for name, value in outer.items() if decides_tokens(name)}
    server = replace(server, environment=dict(sorted((inherited | server.environment).items())))
    program = shutil.which(server.command[0])
    if program is None or server.version:
        return server
    if _INTERPRETER.fullmatch(Path(program).name):
        raise _untold(server, f"{server.command[0]} would tell its own")
    return replace(server, version=_remembered(server, Path(program), memory))


def _gpus(server: Server) -> str:
    devices = chosen_devices()
    if devices.groups:
        return devices.name
    raise InputError(
        "is to compute on a GPU, and none is used here",
        where=f"server {server.name}",
        next_step="see what `nvidia-smi` and QUANTGATE_DEVICE say, or state another device",
    )


def _remembered(server: Server, program: Path, memory: Path | None) -> str:
    """The version as it was told last time; an unreadable memory is an empty one."""
    key, remembered = _content_key(program), {}
    if memory is not None and memory.is_file():
        try:
            loaded = json.loads(memory.read_bytes())
        except (OSError, ValueError):
            loaded = None
        remembered = loaded if isinstance(loaded, dict) else {}
    if isinstance(remembered.get(key), str):
        return str(remembered[key])
    version = _asked(server, str(program))
    if memory is not None:
        write_text(memory, json.dumps(remembered | {key: version}, indent=0, sort_keys=True))
    return version


def _content_key(program: Path) -> str:
    """Path, size and time of a program; of a Python script also the time of its packages' folder.

    `pip install --upgrade vllm` may leave the script that starts it as it was.
    """
    real = program.resolve()
    parts = [str(real), *_size_and_time(real)]
    with real.open("rb") as file:
        first = file.readline(_LONGEST_SHEBANG)
    if first.startswith(b"#!") and b"python" in first:
        interpreter = Path(first[2:].decode(errors="replace").strip())
        for packages in sorted(interpreter.parent.parent.glob("lib/python*/site-packages")):
            parts += [str(packages), *_size_and_time(packages)]
    return "|".join(parts)


def _size_and_time(path: Path) -> tuple[str, str]:
    stat = path.stat()
    return str(stat.st_size), str(stat.st_mtime_ns)


def _stated(server: Server) -> str:
    if server.version is None:
        raise _untold(server, "the server does not report it")
    return server.version


def _reported(server: Server) -> str | None:
    endpoint = Endpoint(
        url=server.url or "", timeout_seconds=30.0, connections=1, api_key=api_key(server)
    )
    client = ServerClient(endpoint)
    try:
        # Unreachable is told here.
        if dialect_of(server.engine).lists_models:
            listed_models(client, server)
        else:
            client.get("/health", f"the state of {server.name}")
        return reported_version(client, server)
    finally:
        client.close()


def _asked(server: Server, program: str) -> str:
    arguments = dialect_of(server.engine).asking_version
    asked = " ".join([program, *arguments])
    try:
        done = subprocess.run(
            [sys.executable, *bound([program, *arguments])],
            env=os.environ | parent_here(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(
            f"{asked} does not work ({error})",
            where=f"server {server.name}",
            next_step="run it by hand and mend what it says; or state `version:` in the build file",
        ) from error
    if done.returncode == NOT_STARTED:
        why = done.stdout.decode(errors="replace").strip()
        raise ToolchainError(
            f"{asked} does not work ({why})",
            where=f"server {server.name}",
            next_step="run it by hand and mend what it says; or state `version:` in the build file",
        )
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    printed = _version_in([line.strip() for line in lines])
    if printed is None:
        raise _untold(server, f"{asked} tells none")
    return printed.removeprefix("version:").strip()


def _version_in(lines: list[str]) -> str | None:
    """The line that is a version, else one that says so, else the first with a digit that nobody logged.

    vLLM writes warnings with the time of day before its version: another identity at every start.
    """
    said = [line for line in lines if not _LOGGED.search(line)]
    for shape in (_VERSION, _SAYS_VERSION, _DIGIT):
        for line in said:
            if shape.search(line):
                return line
    return None


def _untold(server: Server, why: str) -> InputError:
    return InputError(
        f"nothing tells the version of {server.engine}: {why}",
        where=f"server {server.name}",
        next_step="state it in the build file: `version:`",
    )
