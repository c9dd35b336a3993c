"""A small HTTP server that obeys OpenAI's interface, and breaks it on request. It computes nothing.

In a test: `with fake_server(engine) as url`. As a program:
`python -m tests.support.servers.openai_fake --port N --model PATH`, and `--behave` names a way to go wrong.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.servers.in_threads import served_in_threads

END = 2


@dataclass
class Fault:
    """One completion that goes wrong: a status, raw bytes, a broken connection, or patched fields."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: str = ""
    seconds: float = 0.0
    patch: dict[str, Any] = field(default_factory=dict)


@dataclass
class FakeEngine:
    """What is served and how. `faults` are used up by completions, in the order they come."""

    engine: str = "llama-server"
    served_name: str = "model"
    model_path: str = ""
    version: str = "b1"
    faults: list[Fault] = field(default_factory=list)
    seconds: float = 0.0
    token_seconds: float = 0.0
    streams: bool = True
    added_tokens: int = 0
    tells_ids: bool = True
    tokens: dict[str, list[int]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    logprob: Any = -0.5
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reports(self) -> dict[str, Any]:
        """What it says of itself, by path."""
        model = {"id": self.served_name, "object": "model"}
        if self.engine == "vllm":
            model["root"] = self.model_path
        told: dict[str, Any] = {
            "/health": {},
            "/v1/models": {"object": "list", "data": [model]},
        }
        if self.engine == "llama-server":
            told["/props"] = {"build_info": self.version, "model_path": self.model_path}
        if self.engine == "vllm":
            told["/version"] = {"version": self.version}
        if prefix := {"sglang": "/", "sglang-0.4": "/get_"}.get(self.engine):
            told[f"{prefix}server_info"] = {"version": self.version}
            told[f"{prefix}model_info"] = {"model_path": self.model_path}
        return told

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer with the number of tokens in the prompt, spelled as one token above 100."""
        prompt = body.get("prompt", "")
        count = len(prompt if isinstance(prompt, list) else prompt.split())
        if "messages" in body:
            count = sum(len(message["content"].split()) for message in body["messages"])
        text = f"read {count} tokens"
        ids = [100 + count, END]
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": "stop"}
        if "messages" in body:
            choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"logprob": self.logprob}]}
        reply: dict[str, Any] = {
            "model": self.served_name,
            "choices": [choice],
            "usage": {"prompt_tokens": count + self.added_tokens, "completion_tokens": 2},
        }
        if self.tells_ids and self.engine == "llama-server" and body.get("verbose"):
            reply["__verbose"] = {"tokens": ids}
        if self.tells_ids and self.engine == "vllm" and body.get("return_token_ids"):
            choice["token_ids"] = ids
        return reply


def fake_server(engine: FakeEngine, certificate: Path | None = None) -> AbstractContextManager[str]:
    """Serve in threads, by TLS with a certificate; gives the URL."""
    return served_in_threads(_handler(engine), certificate)


def _handler(engine: FakeEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            told = engine.reports().get(self.path)
            self.reply(200, told) if told is not None else self.reply(404, {"error": "no"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/tokenize":
                text = body.get("content", body.get("prompt"))
                if text in engine.tokens:
                    self.reply(200, {"tokens": engine.tokens[text]})
                else:
                    self.reply(404, {"error": "no"})
                return
            if self.path == "/detokenize":
                text = "".join(engine.texts.get(one, "?") for one in body["tokens"])
                self.reply(200, {"content": text, "prompt": text})
                return
            with engine.lock:
                engine.requests.append(body)
                engine.keys.append(self.headers.get("Authorization"))
                engine.under_way += 1
                engine.most_under_way = max(engine.most_under_way, engine.under_way)
                fault = engine.faults.pop(0) if engine.faults else Fault()
            time.sleep(fault.seconds or engine.seconds)
            with engine.lock:
                engine.under_way -= 1
            self.complete(body, fault)

        def complete(self, body: dict[str, Any], fault: Fault) -> None:
            if fault.cut == "reset":
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            if body.get("stream") and engine.streams:
                self.stream(body)
                return
            reply = engine.completion(body) | fault.patch
            raw = json.dumps(reply).encode() if fault.body is None else fault.body
            self.send_response(fault.status)
            for name, value in fault.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if fault.cut == "half":
                self.wfile.write(raw[: len(raw) // 2])
                self.close_connection = True
                return
            self.wfile.write(raw)

        def stream(self, body: dict[str, Any]) -> None:
            """One event a token, a pause before each, then the count of them."""
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            events: list[dict[str, Any]] = [
                {"choices": [{"index": 0, "text": "x"}]} for _ in range(body["max_tokens"])
            ]
            usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": len(events)}
            for event in (*events, {"choices": [], "usage": usage}):
                time.sleep(engine.token_seconds)
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def reply(self, status: int, value: dict[str, Any]) -> None:
            raw = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    return Handler


def main() -> None:
    """Serve until killed, or go wrong as told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--behave", default="well")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--starts", type=Path)
    options = parser.parse_args()
    if options.starts:
        with options.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
    if options.only not in str(options.model):
        options.behave = "well"
    if options.behave == "refuse":
        sys.exit("error: unknown tensor type in the model")
    if options.behave == "refuse once" and len(options.starts.read_text().splitlines()) == 1:
        sys.exit("error: unknown tensor type in the model")
    if options.behave.startswith("refuse and SIG"):
        print("error: unknown tensor type in the model", flush=True)
        os.kill(os.getpid(), getattr(signal, options.behave.rpartition(" ")[2]))
    if options.behave == "no memory":
        sys.exit("CUDA error: out of memory")
    if options.behave == "crash":
        os.abort()
    if options.behave == "end":
        print("INFO: shutting down")
        sys.exit(0)
    if options.behave == "hang":
        time.sleep(60)
    helper = subprocess.Popen(["sleep", "60"]) if options.trace else None
    if options.trace and helper:
        options.trace.write_text(f"{os.getpid()} {helper.pid}")
    engine = FakeEngine(
        served_name="served", model_path=str(options.model), seconds=options.seconds
    )
    if options.behave == "other model":
        engine.model_path = "/elsewhere/other.gguf"
    server = ThreadingHTTPServer(("127.0.0.1", options.port), _handler(engine))
    server.daemon_threads = True
    if options.behave == "die":
        _die_after(engine, 3)
    server.serve_forever()


def _die_after(engine: FakeEngine, completions: int) -> None:
    def watch() -> None:
        while len(engine.requests) <= completions:
            time.sleep(0.005)
        print("CUDA error: out of memory", flush=True)
        os._exit(7)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
