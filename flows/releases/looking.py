"""One look at what is followed: which releases nobody has settled yet, and what is new about each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from quantgate.flows.releases.claims import Claim, Claims, ReleaseKey
from quantgate.flows.releases.contents import (
    Part,
    ReleaseContents,
    changes,
    parts_of_folder,
    parts_of_repository,
)
from quantgate.flows.releases.patterns import entries_of, is_too_large
from quantgate.flows.releases.sources import Hub, folder_digests
from quantgate.flows.releases.watch_list import Followed
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.domain.values import Digest, digest_of
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.buckets import BucketFolder

AskedParts = Callable[[Followed], Mapping[str, Digest]]
"""Returns the digests of what an entry asks for (`releases.asked`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A revision that is to be built. `model` is what to build: a folder, or `org/name@<commit>`. That of a
    bucket's folder is there once it was fetched.

    `news` says what is new about it, and `changed` which parts differ from what was seen last. `same_as` is
    the settled claim that makes building it needless.
    """

    followed: Followed
    revision: str
    model: str
    key: ReleaseKey
    contents: ReleaseContents
    news: str = "the first release seen"
    changed: tuple[Part, ...] = ()
    same_as: Claim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """A source that could not be looked at, and why; the others were."""

    label: str
    error: QuantgateError


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReleases:
    """What one look at all followed sources showed: what is not settled yet, and who did not answer."""

    releases: tuple[Release, ...]
    unreachable: tuple[Unreachable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """What a look needs: where claims are kept, the hub, and who reads what entries ask for."""

    store: Store
    hub: Hub
    asked: AskedParts

    def look(self, watch_list: tuple[Followed, ...]) -> NewReleases:
        """Look at every source once and return the releases that nobody has settled yet.

        A source that does not answer, or whose files have problems, is a value and does not stop the others.
        """
        releases: list[Release] = []
        unreachable: list[Unreachable] = []
        taken = frozenset(each.hub.repository for each in watch_list if each.hub)
        for followed in watch_list:
            try:
                entries = self._entries(followed, taken)
            except QuantgateError as error:
                unreachable.append(Unreachable(label=followed.label, error=error))
                continue
            for entry in entries:
                try:
                    release = self._release(entry)
                except QuantgateError as error:
                    unreachable.append(Unreachable(label=entry.label, error=error))
                else:
                    releases += [release] if release else []
        return NewReleases(releases=tuple(releases), unreachable=tuple(unreachable))

    def _entries(self, followed: Followed, taken: frozenset[str]) -> tuple[Followed, ...]:
        """Return the entry itself, or one for each repository that its pattern means."""
        if followed.pattern is None:
            return (followed,)
        author = followed.pattern.partition("/")[0]
        models = self.hub.models(author, followed.limits.pipeline)
        return tuple(entries_of(followed, models, taken))

    def _release(self, followed: Followed) -> Release | None:
        """Return what is to be built of an entry now; None where its claim is settled.

        A hub is asked for a repository's files only where there is something new.
        """
        claims, asked = Claims(self.store.root), self.asked(followed)
        head = self._head(followed)
        key = _key(followed, head, asked)
        claim = claims.read(key)
        if claim is not None and claim.settled:
            return None
        if head.too_large():
            return None
        checkpoint = head.contents()
        release = Release(
            followed=followed,
            revision=head.revision,
            model=head.model,
            key=key,
            contents=ReleaseContents(parts={**checkpoint.parts, **asked}, others=checkpoint.others),
        )
        compared = _compared(release, claims.of(followed.label))
        if (
            claim is not None
        ):  # begun by somebody or reopened: that an earlier one is like it settles nothing
            return replace(compared, news="taken up again", same_as=None)
        return compared

    def key_of(self, followed: Followed) -> ReleaseKey:
        """Return what a claim on an entry would be on just now.

        Raises:
            QuantgateError: its source does not answer, or its files have problems.
        """
        return _key(followed, self._head(followed), self.asked(followed))

    def _head(self, followed: Followed) -> "_Head":
        if followed.bucket is not None:
            bucket = BucketFolder(followed.bucket, self.store)
            listed = bucket.listing()
            return _Head(
                revision=listed.revision,
                model=str(bucket.folder(listed.revision)),
                contents=lambda: parts_of_repository(listed.files),
                too_large=lambda: False,
            )
        if followed.hub is None:
            digests = folder_digests(followed.folder, self.store)
            return _Head(
                revision=digests.combined,
                model=str(followed.folder),
                contents=partial(parts_of_folder, digests),
                too_large=lambda: False,
            )
        revision = self.hub.revision(followed.hub)
        pinned = replace(followed.hub, revision=revision)
        return _Head(
            revision=revision,
            model=f"{pinned.repository}@{revision}",
            contents=lambda: parts_of_repository(self.hub.listing(pinned).files),
            too_large=lambda: (
                followed.limits.max_gigabytes is not None
                and is_too_large(self.hub.listing(pinned).files, followed.limits)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """Where a source stands; `contents` and `too_large` may cost a request, once."""

    revision: str
    model: str
    contents: Callable[[], ReleaseContents]
    too_large: Callable[[], bool]


def _key(followed: Followed, head: _Head, asked: Mapping[str, Digest]) -> ReleaseKey:
    return ReleaseKey(
        label=followed.label,
        revision=head.revision,
        asked=digest_of([list(pair) for pair in sorted(asked.items())]),
    )


def _compared(release: Release, claims: tuple[Claim, ...]) -> Release:
    """Return a release with what is new about it, and whether a settled one makes it needless."""
    key, ignored = release.key, release.followed.ignore
    earlier = [
        (claim, changes(claim.contents, release.contents))
        for claim in reversed(claims)
        if claim.contents is not None and (claim.revision, claim.asked) != (key.revision, key.asked)
    ]
    if not earlier:
        return release
    for claim, change in earlier:
        if claim.settled and not set(change.parts) - set(ignored):
            return replace(release, news=change.said(ignored), same_as=claim)
    latest = earlier[0][1]
    return replace(release, news=latest.said(ignored), changed=latest.parts)
