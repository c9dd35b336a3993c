"""The verdict that a run keeps as a file, and the transcript that it was made from, read as plain JSON.

Both files are records of this program (`recording/content.py`, `pipelines/evaluation/asking.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import Digest
from quantgate.registry.protocol import RegistryReader
from quantgate.registry.questions.sealed_listings import sealed_listing
from quantgate.registry.questions.versions import RegisteredVersion

_VERDICT = "verdict.json"
_TRANSCRIPT = "transcript.jsonl"
_RIGHT = {"broke": False, "fixed": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFlip:
    """An item whose correctness is not the base's: is it right now, and what was said."""

    slices: tuple[str, ...]
    is_right: bool
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVerdict:
    """What comparing takes of a verdict; `changed` by item."""

    subject: str
    run_key: Digest
    reference_key: str
    changed: Mapping[str, KeptFlip]


def kept_verdict(reader: RegistryReader, version: RegisteredVersion) -> KeptVerdict:
    """Read the verdict of the run that a version was made from.

    Raises:
        InputError: the run does not keep it, or not where it can be read from here.
        ServiceError: the registry does not answer.
    """
    text = reader.run_file(version.run_id, _VERDICT)
    if text is None:
        raise InputError(
            f"its verdict cannot be read (run {version.run_id})",
            where=version.uri,
            next_step="run it where the artifacts of that run can be reached",
        )
    try:
        held = json.loads(text)
        return KeptVerdict(
            subject=str(held["subject"]),
            run_key=Digest(str(held["run_key"])),
            reference_key=str(held["reference_key"]),
            changed={
                str(item["item_id"]): KeptFlip(
                    slices=tuple(map(str, item["slices"])),
                    is_right=_RIGHT[item["outcome"]],
                    answer=str(item["variant"]["answer"]["text"]),
                )
                for item in held["items"]
            },
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "its verdict is damaged or of another version",
            where=version.uri,
            next_step="run the same build again",
        ) from error


def said(run: Path, digest: str) -> Mapping[str, str] | None:
    """Return what a run's transcript says, by item; None where it is not here, or not the registered one.

    `digest` is the registered one over the run's files.
    """
    try:
        text = (run / _TRANSCRIPT).read_bytes()
        listing = sealed_listing(run)
        if listing is None or listing.files_digest != digest:
            return None
        if listing.files[_TRANSCRIPT] != sha256(text).hexdigest():
            return None
        answers = [json.loads(line) for line in text.split(b"\n") if line]
        return {str(answer["item_id"]): str(answer["text"]) for answer in answers}
    except (OSError, ValueError, KeyError, TypeError):
        return None
