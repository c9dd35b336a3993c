"""What a release consists of, part by part: what a change touches is said before anything is spent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from quantgate.pipelines.domain.checkpoint import CheckpointDigests
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.hub.parts import part_of
from quantgate.pipelines.hub.transfer import RemoteFile

Part = Literal[
    "weights", "tokenizer", "chat template", "config",
    "recipes", "suite", "corpus", "policy", "options", "quants of others",
]  # fmt: skip
"""What variants and their verdicts are made from: four of the checkpoint, six of what is asked for."""

CHECKPOINT_PARTS: tuple[Part, ...] = get_args(Part)[:4]
PARTS: tuple[Part, ...] = get_args(Part)

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseContents:
    """Digests of all that would be built, by the names of `PARTS`.

    `others` are checksums of a repository's remaining files, by name: nothing is built from those.
    """

    parts: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What differs between two releases: parts that something is built from, and names of other files."""

    parts: tuple[Part, ...]
    others: tuple[str, ...] = ()

    def said(self, ignored: tuple[Part, ...] = ()) -> str:
        """Say it in a few words; `ignored` are parts for which an entry builds nothing anew."""
        if set(self.parts) - set(ignored):
            return f"changed: {', '.join(self.parts)}"
        names = (*self.parts, *self.others[:_MOST_NAMES])
        more = len(self.others) - _MOST_NAMES
        rest = f" and {more} more" if more > 0 else ""
        return f"changed: {', '.join(names) or 'nothing'}{rest}: nothing is built anew for that"


def changes(before: ReleaseContents, now: ReleaseContents) -> Changes:
    """Compare two releases."""
    names = sorted({*before.others, *now.others})
    return Changes(
        parts=tuple(part for part in PARTS if before.parts.get(part) != now.parts.get(part)),
        others=tuple(n for n in names if before.others.get(n) != now.others.get(n)),
    )


def parts_of_folder(digests: CheckpointDigests) -> ReleaseContents:
    """Return the parts of a checkpoint in a folder."""
    values = (digests.weights, digests.tokenizer, digests.chat_template, digests.config)
    return ReleaseContents(parts=dict(zip(CHECKPOINT_PARTS, values, strict=True)))


def parts_of_repository(files: Iterable[RemoteFile]) -> ReleaseContents:
    """Sort a repository's files into parts; those without a part are `others`."""
    sorted_in: dict[str, list[tuple[str, str]]] = {}
    others: dict[str, str] = {}
    for file in sorted(files, key=lambda each: each.name):
        part = part_of(file.name)
        if part is None:
            others[file.name] = file.checksum
        else:
            sorted_in.setdefault(part, []).append((file.name, file.checksum))
    parts: dict[str, Digest] = {
        part: digest_of([list(pair) for pair in pairs]) for part, pairs in sorted_in.items()
    }
    return ReleaseContents(parts=parts, others=others)
