"""A stand-in for a Hugging Face hub on 127.0.0.1: what huggingface-hub asks for, and faults on demand.

Speaks `GET /api/models[?author]` (in pages), `GET /api/models/{id}[/revision/{rev}]`, `HEAD` and `GET
/{id}/resolve/{rev}/{path}` with ranges, `ETag`, `X-Repo-Commit`, `X-Linked-*`, `X-Error-Code`; uploads: see
`hub_uploads`.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tests.support.servers.hub_uploads import LARGE_BYTES, Uploads, git_blob, upload_modes


@dataclass
class Repository:
    """Commits (sha → files) and what branches and tags point at."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    last_modified: str = "2026-01-01T00:00:00.000Z"


@dataclass
class Fault:
    """What goes wrong with one file, how many times: other bytes of equal length, or a cut connection."""

    times: int
    corrupt: bool = False
    cut_after_bytes: int | None = None


class HubServer:
    """Runs in a thread while used as a context manager; `requests` lists `METHOD path`,
    `served_bytes` counts file bytes by name."""

    def __init__(self) -> None:
        """Prepare an empty hub on a free port."""
        self.repositories: dict[str, Repository] = {}
        self.faults: dict[str, Fault] = {}
        self.status: int | None = None
        self.page_size = 1000
        self.requests: list[str] = []
        self.served_bytes: dict[str, int] = {}
        self.uploads = Uploads()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self})
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def endpoint(self) -> str:
        """The address to give as the hub's endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubServer":
        """Start answering."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def publish(self, name: str, files: Mapping[str, bytes], *, reference: str = "main") -> str:
        """Add a commit, point a branch or tag at it, return its sha."""
        repository = self.repositories.setdefault(name, Repository())
        content = repr((len(repository.commits), sorted(files.items()))).encode()
        sha = hashlib.sha1(content).hexdigest()
        repository.commits[sha] = dict(files)
        repository.references[reference] = sha
        return sha


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_PUT(self) -> None:
        self.hub.requests.append(f"PUT {self.path}")
        taken = self.hub.uploads.put(self.path.rpartition("/")[2], self._content())
        return self._json({}, True) if taken else self._error(403, "", True)

    def do_POST(self) -> None:
        self.hub.requests.append(f"POST {self.path}")
        content, path = self._content(), unquote(urlsplit(self.path).path).strip("/")
        if path == "api/validate-yaml":
            return self._json({"errors": [], "warnings": []}, True)
        if path == "api/repos/create":
            return self._create(json.loads(content))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._json(self.hub.uploads.batch(json.loads(content), self.hub.endpoint), True)
        name, act = "/".join(path.split("/")[2:4]), path.split("/")[4]
        if name not in self.hub.repositories:
            return self._error(404, "RepoNotFound", True)
        repository = self.hub.repositories[name]
        before = repository.commits[repository.references["main"]]
        if act == "preupload":
            return self._json(upload_modes(json.loads(content), before), True)
        sha = self.hub.publish(name, before | self.hub.uploads.committed(content))
        url = f"{self.hub.endpoint}/{name}/commit/{sha}"
        return self._json({"commitUrl": url, "commitOid": sha, "hookOutput": ""}, True)

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        known = name in self.hub.repositories
        if not known:
            self.hub.publish(name, {})
        return self._json(
            {"url": f"{self.hub.endpoint}/{name}"}, True, status=409 if known else 200
        )

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _answer(self, *, with_body: bool) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        if self.hub.status is not None:
            return self._error(self.hub.status, "", with_body)
        path = unquote(urlsplit(self.path).path)
        parts = path.strip("/").split("/")
        if parts == ["api", "models"]:
            return self._page(self._listing(), with_body)
        name = "/".join(parts[2:4] if parts[:2] == ["api", "models"] else parts[:2])
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._error(404, "RepoNotFound", with_body)
        if repository.gated:
            return self._error(401, "GatedRepo", with_body)
        is_api = parts[:2] == ["api", "models"]
        reference = parts[5] if is_api and len(parts) > 5 else "main" if is_api else parts[3]
        sha = repository.references.get(reference, reference)
        if sha not in repository.commits:
            return self._error(404, "RevisionNotFound", with_body)
        if is_api:
            return self._json(_description(name, repository, sha), with_body)
        content = repository.commits[sha].get("/".join(parts[4:]))
        if content is None:
            return self._error(404, "EntryNotFound", with_body)
        return self._file(parts[-1], content, sha, with_body)

    def _listing(self) -> list[dict[str, Any]]:
        query = parse_qs(urlsplit(self.path).query)
        author = query.get("author", [""])[0]
        return [
            _description(name, repository, repository.references["main"])
            for name, repository in self.hub.repositories.items()
            if not author or name.startswith(f"{author}/")
        ]

    def _page(self, models: list[dict[str, Any]], with_body: bool) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        begin, size = int(query.get("cursor", ["0"])[0]), self.hub.page_size
        more = parts._replace(query=urlencode(query | {"cursor": begin + size}, doseq=True))
        link = f'<{self.hub.endpoint}{more.geturl()}>; rel="next"'
        headers = {"Link": link} if begin + size < len(models) else {}
        return self._json(models[begin : begin + size], with_body, headers=headers)

    def _file(self, name: str, content: bytes, sha: str, with_body: bool) -> None:
        asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        start, end = int(asked[0]), min(int(asked[1] or len(content)) + 1, len(content))
        is_part = start or end < len(content)
        is_large = len(content) >= LARGE_BYTES
        etag = hashlib.sha256(content).hexdigest() if is_large else git_blob(content)
        self.send_response(206 if is_part else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", sha)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        if is_part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        if is_large:
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(content)))
        self.end_headers()
        if with_body:
            self._body(name, content[start:end])

    def _body(self, name: str, content: bytes) -> None:
        fault = self.hub.faults.get(name)
        if fault is not None and fault.times > 0:
            fault.times -= 1
            if fault.corrupt:
                content = bytes([content[0] ^ 0xFF]) + content[1:]
            if fault.cut_after_bytes is not None:
                content = content[: fault.cut_after_bytes]
                self.close_connection = True
        self.hub.served_bytes[name] = self.hub.served_bytes.get(name, 0) + len(content)
        self.wfile.write(content)

    def _json(
        self,
        value: object,
        with_body: bool,
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _error(self, status: int, code: str, with_body: bool) -> None:
        body = b'{"error": "no"}'
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _description(name: str, repository: Repository, sha: str) -> dict[str, Any]:
    return {
        "id": name,
        "modelId": name,
        "sha": sha,
        "lastModified": repository.last_modified,
        "private": False,
        "gated": repository.gated,
        "tags": [],
        "downloads": 0,
        "siblings": [_sibling(path, content) for path, content in repository.commits[sha].items()],
    }


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    sibling: dict[str, Any] = {
        "rfilename": path,
        "size": len(content),
        "blobId": git_blob(content),
    }
    if len(content) >= LARGE_BYTES:
        sha256 = hashlib.sha256(content).hexdigest()
        sibling["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
    return sibling
