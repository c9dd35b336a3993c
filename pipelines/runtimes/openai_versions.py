"""Which version of a server will answer, found out while planning: it is part of every verdict."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from pipelines.domain.errors import InputError, ToolchainError
from pipelines.domain.server import Server

_TIMEOUT_SECONDS = 120.0
_DIGIT = re.compile(r"\d")
_INTERPRETER = re.compile(r"python[\d.]*|bash|sh|env|uv|docker|podman|srun|ssh")
"""Programs that would tell their own version, not that of what they run."""


def identified(server: Server) -> Server:
    """Return a server with its version: its own report at a URL, else what is stated, else `--version`.

    A command that is not there keeps what is stated: `missing` says so in one sentence.

    Raises:
        ServiceError: where a running server cannot be reached.
        InputError: where nothing tells the version.
    """
    if server.url:
        return replace(server, version=_reported(server) or _stated(server))
    program = shutil.which(server.command[0])
    if program is None or server.version:
        return server
    if _INTERPRETER.fullmatch(Path(program).name):
        raise _untold(server, f"{server.command[0]} would tell its own")
    return replace(server, version=_asked(server, program))


def _stated(server: Server) -> str:
    if server.version is None:
        raise _untold(server, "the server does not report it")
    return server.version


def _reported(server: Server) -> str | None:
    from pipelines.runtimes.openai_client import Endpoint, ServerClient
    from pipelines.runtimes.openai_session import api_key, reported_version

    endpoint = Endpoint(
        url=server.url or "", timeout_seconds=30.0, connections=1, api_key=api_key(server)
    )
    client = ServerClient(endpoint)
    try:
        client.get("/v1/models", f"the models of {server.name}")  # unreachable is told here
        return reported_version(client, server)
    finally:
        client.close()


def _asked(server: Server, program: str) -> str:
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(
            f"{program} --version does not work ({error})", where=f"server {server.name}"
        ) from error
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    told = next((line.strip() for line in lines if _DIGIT.search(line)), None)
    if told is None:
        raise _untold(server, f"{server.command[0]} --version tells none")
    return told.removeprefix("version:").strip()


def _untold(server: Server, why: str) -> InputError:
    return InputError(
        f"nothing tells the version of {server.engine}: {why}",
        where=f"server {server.name}",
        next_step="state it in the build file: `version:`",
    )
