"""`suite@version` is one content: with which digest it was judged, and what to do once it was edited."""

import re
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.reading import read_text
from quantgate.pipelines.files.records import read_record, write_record, write_text
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.suites.load import SUITE_FILE

_SHOWN_DIGITS = 12
_VERSION = re.compile(r"^(version[ \t]*:[ \t]*)(\d+)(?=[ \t]*(?:#.*)?\r?$)", re.MULTILINE)
_FILE = re.compile(r"(\d+)\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSuite:
    """What stands in the store of a version once a variant was judged on it."""

    digest: Digest


def remember(suite: Suite, store: Store) -> None:
    """Note that variants were judged on a suite as it is."""
    path = _file(suite.name, suite.version, store)
    if not path.is_file():
        write_record(path, JudgedSuite(digest=suite.digest))


def edited(suite: Suite, store: Store) -> str | None:
    """Return what to tell of a suite that was judged before with another content, else None."""
    path = _file(suite.name, suite.version, store)
    if not path.is_file() or is_sealed(suite.folder):  # an imported suite is nobody's to edit
        return None
    before = read_record(JudgedSuite, path).digest
    if before == suite.digest:
        return None
    return (
        f"{suite.name}@{suite.version} was judged with another content: "
        f"{before[:_SHOWN_DIGITS]} then, {suite.digest[:_SHOWN_DIGITS]} now"
    )


def refuse_edited(suite: Suite, store: Store) -> None:
    """Refuse a suite that has the version of another content.

    Raises:
        InputError: with both digests.
    """
    if text := edited(suite, store):
        raise InputError(
            text,
            where=str(suite.folder / SUITE_FILE),
            next_step=f"raise its version to {next_version(suite, store)}, or run "
            f"`quantgate suite check {suite.folder} --bump`",
        )


def next_version(suite: Suite, store: Store) -> int:
    """Return the first version above the suite's that was never judged."""
    folder = _file(suite.name, suite.version, store).parent
    names = [_FILE.fullmatch(path.name) for path in folder.glob("*.json")]
    judged = [int(match[1]) for match in names if match]
    return max([suite.version, *judged]) + 1


def bump(suite: Suite, store: Store) -> int | None:
    """Raise the version in a suite's file; None where it is not needed.

    Raises:
        InputError: where its line is written in a way that only a person should change.
    """
    if edited(suite, store) is None:
        return None
    path = suite.folder / SUITE_FILE
    text = read_text(path)
    version = next_version(suite, store)
    lines = list(_VERSION.finditer(text))
    if len(lines) != 1 or int(lines[0][2]) != suite.version:
        raise InputError(
            "the line of its version cannot be changed by a program",
            where=str(path),
            next_step=f"write `version: {version}`",
        )
    write_text(path, _VERSION.sub(rf"\g<1>{version}", text))
    return version


def _file(name: str, version: int, store: Store) -> Path:
    return store.root / "suite-versions" / name / f"{version}.json"
