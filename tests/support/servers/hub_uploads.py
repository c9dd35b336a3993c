"""What a stand-in for a hub does with uploads: preupload, LFS by sha256, one commit; and refusals on demand.

Speaks `POST /api/repos/create`, `/api/validate-yaml`, `/api/models/{id}/preupload/{rev}`,
`/{id}.git/info/lfs/objects/batch`, `PUT /upload/{sha256}` and `POST /api/models/{id}/commit/{rev}`.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LARGE_BYTES = 10_000
"""From this size on, files are 'LFS' files with a sha256, as weights are."""


@dataclass
class Uploads:
    """Large files that were sent, by sha256; `sent` lists each arrival.

    After `left` more of them the hub refuses the next, None refuses none.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    left: int | None = None

    def put(self, sha256: str, content: bytes) -> bool:
        """Take a file; False where it is refused, or is not what it is said to be."""
        if self.left == 0 or hashlib.sha256(content).hexdigest() != sha256:
            return False
        self.left = None if self.left is None else self.left - 1
        self.objects[sha256] = content
        self.sent.append(sha256)
        return True

    def batch(self, asked: dict[str, Any], endpoint: str) -> dict[str, Any]:
        """Say which objects have to be sent, and where."""
        objects = [
            {"oid": each["oid"], "size": each["size"]}
            | (
                {}
                if each["oid"] in self.objects
                else {"actions": {"upload": {"href": f"{endpoint}/upload/{each['oid']}"}}}
            )
            for each in asked["objects"]
        ]
        return {"transfer": "basic", "objects": objects}

    def committed(self, lines: bytes) -> dict[str, bytes]:
        """Return the files that a commit adds."""
        files: dict[str, bytes] = {}
        for line in lines.splitlines():
            row = json.loads(line)
            if row["key"] == "file":
                files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            elif row["key"] == "lfsFile":
                files[row["value"]["path"]] = self.objects[row["value"]["oid"]]
        return files


def upload_modes(asked: dict[str, Any], held: Mapping[str, bytes]) -> dict[str, Any]:
    """Say how each file is to be sent, and which content the newest commit holds under its name."""
    return {
        "files": [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["size"] >= LARGE_BYTES else "regular",
                "shouldIgnore": False,
                "oid": _content_id(held[each["path"]]) if each["path"] in held else None,
            }
            for each in asked["files"]
        ]
    }


def git_blob(content: bytes) -> str:
    """Return git's name of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _content_id(content: bytes) -> str:
    is_large = len(content) >= LARGE_BYTES
    return hashlib.sha256(content).hexdigest() if is_large else git_blob(content)
