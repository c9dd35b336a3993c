"""Publishing a version on a hub: weights, card and attestation in one commit.

Large files go first, and nobody sees them before the commit. What an interrupted try had sent the hub knows
by sha256, so the next one sends the rest alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files import sealed
from quantgate.pipelines.files.records import read_json
from quantgate.pipelines.hub.errors import hub_errors
from quantgate.pipelines.hub.source import HubSettings
from quantgate.registry.cards.card import CardContent, evaluation_results, model_card
from quantgate.registry.champions.judged import against, as_judged
from quantgate.registry.facts import PASSED, VersionFacts
from quantgate.registry.protocol import RecordedVersion

CARD, RESULTS, MANIFEST = "README.md", ".eval_results/quantgate.yaml", "quantgate/manifest.json"
_ATTESTATION = "quantgate/attestation"
_REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_PRIVATE = ("files.sig", sealed.MANIFEST)
"""Of an attestation these are about the sealed folder, whose files have other names in a repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a repository is to hold: texts that were written for it, and files of this machine, by name."""

    repository: str
    texts: Mapping[str, str]
    files: Mapping[str, Path]

    @property
    def size_bytes(self) -> int:
        """Bytes of all of it."""
        texts = sum(len(text.encode()) for text in self.texts.values())
        return texts + sum(path.stat().st_size for path in self.files.values())


def check_repository(name: str) -> None:
    """Refuse what is no `org/name` of a repository.

    Raises:
        InputError: it is none.
    """
    if not _REPOSITORY.fullmatch(name):
        raise InputError(
            "is no name of a repository",
            where=name,
            next_step="write org/name: letters, digits, '.', '_' and '-'",
        )


def check_publishable(version: RecordedVersion, suite: str, uri: str) -> None:
    """Refuse a version that is out of use, or that does not pass a suite and has no waiver that holds.

    Raises:
        InputError: saying which of them.
    """
    reason = against(as_judged(version, suite).tags, suite, datetime.now(UTC).date())
    if reason:
        raise InputError(
            f"is not to be published: {reason}",
            where=uri,
            next_step="name a version that passes, or waive its verdict: quantgate waive",
        )


def outcome(facts: VersionFacts) -> str:
    """Return what a commit says of a version."""
    if facts.verdict == PASSED:
        return f"{facts.identifier}: passed {facts.suite}"
    return f"{facts.identifier}: {facts.verdict} on {facts.suite}, waived"


def published_artifact(folder: Path) -> str:
    """Return what the artifact of a sealed folder is called in a repository; empty for all of it."""
    prefix, artifact = _prefix(folder), _artifact(folder)
    inside = artifact.relative_to(prefix).as_posix()
    return "" if inside == "." else inside


def publication(content: CardContent, attestations: tuple[Path, ...]) -> Publication:
    """Return what is to be published of a version whose files were verified.

    Raises:
        InputError: its manifest cannot be read.
    """
    folder = content.version.folder
    manifest: sealed.Manifest[object] = sealed.read_manifest(folder, object)
    prefix = _prefix(folder)
    files = {
        _published(PurePosixPath(file.path), prefix): folder / file.path for file in manifest.files
    }
    files[MANIFEST] = folder / sealed.MANIFEST
    for each in attestations:
        for path in sorted(each.rglob("*")):
            inside = path.relative_to(each).as_posix()
            if path.is_file() and inside not in _PRIVATE:
                files[f"{_ATTESTATION}/{each.name}/{inside}"] = path
    texts = {CARD: model_card(content), RESULTS: evaluation_results(content)}
    return Publication(repository=content.repository, texts=texts, files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Address of the commit that holds a publication; `is_new` is False where the hub had all of it."""

    url: str
    is_new: bool


def publish(what: Publication, hub: HubSettings, message: str) -> Published:
    """Make the repository if there is none, and commit what it does not hold yet; where it has all, nothing.

    Raises:
        InputError: the name cannot be one.
        ServiceError: the hub refuses, or does not answer; what was sent is not sent again.
    """
    with hub_errors(what.repository, "main", hub.endpoint):
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_repo(what.repository, exist_ok=True)
        operations = [
            *(
                CommitOperationAdd(path_in_repo=name, path_or_fileobj=text.encode())
                for name, text in what.texts.items()
            ),
            *(
                CommitOperationAdd(path_in_repo=name, path_or_fileobj=path)
                for name, path in what.files.items()
            ),
        ]
        before = api.repo_info(what.repository).sha
        commit = _committed(api, what.repository, operations, message)
        return Published(url=str(commit.commit_url), is_new=commit.oid != before)


def _committed(
    api: HfApi, repository: str, operations: list[CommitOperationAdd], message: str
) -> CommitInfo:
    """Commit, and raise what stopped an upload as it was: the library hides it in a RuntimeError.

    It leaves files out that the hub has already, and makes no commit of none.
    """
    try:
        return api.create_commit(repository, operations, commit_message=message)
    except RuntimeError as error:
        if isinstance(error.__cause__, Exception):
            raise error.__cause__ from None
        raise


def _artifact(folder: Path) -> PurePosixPath:
    record = read_json(folder / sealed.MANIFEST)["record"]
    named = record.get("artifact") if isinstance(record, dict) else None
    if not isinstance(named, str):
        raise InputError(
            "its manifest names no artifact",
            where=str(folder),
            next_step="run the same build again, and publish what it registers",
        )
    return PurePosixPath(named)


def _prefix(folder: Path) -> PurePosixPath:
    """Return the folder whose content is to lie at the top of a repository, where loaders look."""
    artifact = _artifact(folder)
    return artifact if (folder / artifact).is_dir() else artifact.parent


def _published(name: PurePosixPath, prefix: PurePosixPath) -> str:
    return (name.relative_to(prefix) if name.is_relative_to(prefix) else name).as_posix()
