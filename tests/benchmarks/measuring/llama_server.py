"""llama.cpp's own server as the other side: the same prompts, eight requests at once."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.llamacpp.oracles import oracle

SLOTS = 8
_START_SECONDS, _ANSWER_SECONDS = 120.0, 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server is given: a GGUF, tokens for one prompt with its answer, threads, a log.

    `passive` threads sleep while they wait for each other; else they spin, as they come.
    """

    model: Path
    context_tokens: int
    threads: int
    passive: bool
    log: Path


def answers(
    server: Server, prompts: Sequence[Sequence[int]], max_tokens: int
) -> list[tuple[str, int]]:
    """Return each answer's text and length in tokens; the server is started before and ended after.

    Its prompt cache and its continuous batching are as they come; a slot asks as soon as it is free.
    """
    with _running(server) as port, ThreadPoolExecutor(SLOTS) as pool:
        return list(pool.map(lambda ids: _completion(port, ids, max_tokens), prompts))


def _completion(port: int, token_ids: Sequence[int], max_tokens: int) -> tuple[str, int]:
    body = {"prompt": list(token_ids), "n_predict": max_tokens, "temperature": 0.0}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    connection.request("POST", "/completion", json.dumps(body))
    reply = json.loads(connection.getresponse().read())
    connection.close()
    return str(reply["content"]), int(reply["tokens_predicted"])


@contextmanager
def _running(server: Server) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [oracle("llama-server"), "-m", server.model, "--port", port, "--host", "127.0.0.1"]
    command += ["-np", SLOTS, "-c", SLOTS * server.context_tokens, "--no-webui"]
    command += ["-t", server.threads, "-tb", server.threads]
    with server.log.open("ab") as log:
        waiting = {"OMP_WAIT_POLICY": "passive"} if server.passive else {}
        child = subprocess.Popen(
            [str(word) for word in command],
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": str(server.threads)} | waiting,
        )
    try:
        _wait(child, port)
        yield port
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=_START_SECONDS)


def _wait(child: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and child.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise TimeoutError("llama-server did not get ready; its log says why")
