"""Look up the best variant that passed: the smallest one, unless a caller asks for another order."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Unpack

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.files.store import open_store
from quantgate.registry.champions.judged import (
    PREFIX,
    against,
    as_judged,
    passes_tag,
    suites_of,
)
from quantgate.registry.facts import PASSED, to_tags
from quantgate.registry.lineage_tag import filter_of
from quantgate.registry.opening import open_reader
from quantgate.registry.protocol import OpenReader, RecordedVersion, RegistryReader, VersionQuery
from quantgate.registry.questions.passing import only_suite, passed_suites, passing_on
from quantgate.registry.questions.versions import (
    PassedOver,
    RegisteredVersion,
    settled,
    trusted,
    uri_of,
    with_drift,
)
from quantgate.registry.questions.wishes import (
    TRAIT_TAGS,
    LookupRequest,
    Wishes,
    best_first,
    traits_of,
)
from quantgate.registry.suggestions import no_such_model
from quantgate.registry.tags import RETIRED
from quantgate.registry.tracking import Tracking

_SHOWN_VERSIONS = 10
_TRIED_LEADERS = 5


def lookup(
    model: str, *, tracking_uri: str | None = None, **wishes: Unpack[Wishes]
) -> RegisteredVersion:
    """Return the smallest variant of `model` that passed, among those that compete for the suite's alias.

    With no wish but the suite this is what `models:/<model>@<suite>` points at; those that compete have its
    base, suite digest and policy. `Wishes` says what a caller can ask for. `tracking_uri` overrides
    MLFLOW_TRACKING_URI, which overrides the store (QUANTGATE_STORE, else the nearest `.quantgate` upwards).
    No tag is trusted that was altered since it was registered; files are not read: `verify` does that.

    Raises:
        NotFoundError: nothing fits; it says what there is instead.
        InputError: there is no such format or order, or the model has passing variants of several suites
            and none was named, or the tags of everything that fits were altered.
        ServiceError: the registry did not answer, or refused.
    """
    request = LookupRequest(model=model, **wishes)
    return find(request, Tracking.resolve(open_store(), uri=tracking_uri))


def lookup_all(
    model: str, *, tracking_uri: str | None = None, **wishes: Unpack[Wishes]
) -> tuple[RegisteredVersion, ...]:
    """Return every version of `model` that passed and fits, the best first, of whatever base and policy.

    Of one that passed several suites, it has the verdict of the suite that is asked for, else of the first.
    Those whose tags were altered are left out, and named in `passed_over` of the first one. Drift is not
    asked for.

    Raises:
        As `lookup`.
    """
    request = LookupRequest(model=model, **wishes)
    return find_all(request, Tracking.resolve(open_store(), uri=tracking_uri))


def find(
    request: LookupRequest, tracking: Tracking, *, open_reader: OpenReader = open_reader
) -> RegisteredVersion:
    """Return what `lookup` does, from the registry that `open_reader` opens."""
    request.check()
    with open_reader(tracking) as reader:
        search = _Search(reader, request, tracking)
        for number in search.candidates():
            best = search.trusted(number)
            if best is not None:
                version = replace(best, passed_over=tuple(search.passed_over))
                return with_drift(version, reader)
        raise _nothing_fits(search)


def find_all(
    request: LookupRequest, tracking: Tracking, *, open_reader: OpenReader = open_reader
) -> tuple[RegisteredVersion, ...]:
    """Return what `lookup_all` does, from the registry that `open_reader` opens."""
    request.check()
    model = request.model
    with open_reader(tracking) as reader:
        search = _Search(reader, request, tracking)
        suites = (request.suite,) if request.suite is not None else passed_suites(reader, model)
        held = passing_on(reader, model, suites, request.tags)
        checked = [search.held_to(held[number]) for number in search.fitting(held.values())]
        fitting = [version for version in checked if version is not None]
        if not fitting:
            raise _nothing_fits(search)
        aliases = reader.aliases(model) or {}
    fitting = [replace(v, aliases=_pointing_at(v.version, aliases)) for v in fitting]
    return replace(fitting[0], passed_over=tuple(search.passed_over)), *fitting[1:]


class _Search:
    """One search in an open registry. `passed_over` are versions that it could not trust."""

    def __init__(self, reader: RegistryReader, request: LookupRequest, tracking: Tracking) -> None:
        self.reader = reader
        self.request = request
        self.tracking = tracking
        self.passed_over: list[PassedOver] = []
        self._leader: RegisteredVersion | None = None
        self._waited = False
        self._suite: str | None = None

    def candidates(self) -> Iterator[str]:
        """Yield the numbers of the versions that compete and fit, as their tags say, the best first."""
        request = self.request
        suite = request.suite
        if suite is None:
            suite = only_suite(self.reader, request.model, self.tracking)
        self._suite = suite
        leader = self._leader = self._leading(suite) if suite is not None else None
        if leader is None:
            return
        if request.is_open and suite in leader.aliases:
            yield leader.version
        asked = filter_of(
            scope=leader.facts.scope,
            suite_name=leader.facts.suite_name,
            verdict=PASSED,
            **request.tags,
        )
        query = VersionQuery(model=request.model, tags=asked, wanted=(*TRAIT_TAGS, RETIRED))
        further = VersionQuery(
            model=request.model,
            tags={passes_tag(leader.facts.suite_name): leader.facts.scope, **request.tags},
            wanted=(*TRAIT_TAGS, RETIRED, PREFIX + leader.facts.suite_name),
        )
        versions = (*self.reader.versions(query), *self.reader.versions(further))
        yield from self.fitting(self._seen(version) for version in versions)

    def fitting(self, versions: Iterable[RecordedVersion]) -> list[str]:
        """Return the numbers of versions that fit, the best first."""
        read = [traits_of(v.number, v.tags) for v in versions if "version_key" in v.tags]
        fitting = [traits for traits in read if traits is not None and self.request.fits(traits)]
        return [str(traits.number) for traits in sorted(fitting, key=best_first(self.request.sort))]

    def trusted(self, number: str) -> RegisteredVersion | None:
        """Return a version whose facts can be trusted, passed and fit; None of any other."""
        if any(uri_of(self.request.model, number) == passed.uri for passed in self.passed_over):
            return None
        checked = self._leader
        if checked is None or checked.version != number:
            version = self.reader.version(self.request.model, number)
            seen = self._settled(version) if version is not None else None
            checked = self.held_to(seen) if seen is not None else None
        if checked is None:
            return None
        traits = traits_of(number, to_tags(checked.facts))
        return checked if traits is not None and self.request.fits(traits) else None

    def held_to(self, version: RecordedVersion) -> RegisteredVersion | None:
        """Return a version whose facts can be trusted and that may be used; else None, and why is noted."""
        try:
            checked = trusted(self.reader, self.request.model, version, self.tracking.store)
            reason = against(version.tags, checked.facts.suite_name, datetime.now(UTC).date())
        except InputError as error:
            checked, reason = None, error.what
        if checked is None or reason:
            uri = uri_of(self.request.model, version.number)
            passed = PassedOver(uri=uri, reason=reason, altered=checked is None)
            self.passed_over.append(passed)
            return None
        return checked

    def _settled(self, version: RecordedVersion) -> RecordedVersion:
        """Wait for a version that may be being renewed; only once, as others may be altered for good."""
        version = self._seen(version)
        if self._waited:
            return version
        later = settled(self.reader, self.request.model, version)
        self._waited = later is not version
        return self._seen(later)

    def _seen(self, version: RecordedVersion) -> RecordedVersion:
        """Return a version as the suite that is meant sees it."""
        return version if self._suite is None else as_judged(version, self._suite)

    def _leading(self, suite: str) -> RegisteredVersion | None:
        """Return the version whose scope the others share: the champion, else the newest that passed."""
        champion = self.reader.alias_version(self.request.model, suite)
        if champion is not None and suite in suites_of(champion.tags):
            leader = self.held_to(self._settled(champion))
            if leader is not None:
                return leader
        elif champion is not None:
            uri = uri_of(self.request.model, champion.number)
            reason = f"@{suite} points at it, and quantgate did not judge it on that suite"
            self.passed_over.append(PassedOver(uri=uri, reason=reason, altered=False))
        query = VersionQuery(
            model=self.request.model,
            tags=filter_of(verdict=PASSED, suite_name=suite),
            limit=_TRIED_LEADERS,
        )
        newest = (v for v in self.reader.versions(query) if "version_key" in v.tags)
        return next((leader for v in newest if (leader := self.held_to(v)) is not None), None)


def _pointing_at(number: str, aliases: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(alias for alias, pointed in aliases.items() if pointed == number))


def _nothing_fits(search: _Search) -> InputError | NotFoundError:
    """Return the error that says what there is instead: no such model, altered tags, or what passed."""
    reader, request, tracking = search.reader, search.request, search.tracking
    if altered := [passed for passed in search.passed_over if passed.altered]:
        return InputError(
            "; ".join(map(str, altered[:_SHOWN_VERSIONS])),
            where=tracking.shown,
            next_step="run the same build again, which registers its facts anew",
        )
    if search.passed_over:
        return NotFoundError(
            "; ".join(map(str, search.passed_over[:_SHOWN_VERSIONS])),
            where=tracking.shown,
            next_step="build a newer version (quantgate quantize), or name a champion that still passes: "
            "quantgate rollback",
        )
    if reader.aliases(request.model) is None:
        return no_such_model(reader, request.model, tracking)
    query = VersionQuery(
        model=request.model,
        tags=filter_of(verdict=PASSED),
        wanted=(*TRAIT_TAGS, "identifier", "suite"),
        limit=_SHOWN_VERSIONS + 1,
    )
    passing = [v for v in reader.versions(query) if "version_key" in v.tags]
    lines = [
        f"  {tags.get('identifier')} (version {number}, {tags.get('format')} in "
        f"{tags.get('runtime_engine')}, {_grouped(tags.get('size_bytes'))} bytes, suite {tags.get('suite')})"
        for number, tags in ((v.number, v.tags) for v in passing[:_SHOWN_VERSIONS])
    ]
    if len(passing) > _SHOWN_VERSIONS:
        lines.append(f"  and more: quantgate lookup {request.model} --all")
    read = [traits for v in passing if (traits := traits_of(v.number, v.tags)) is not None]
    whole = read if len(passing) <= _SHOWN_VERSIONS else ()  # older ones may have what these lack
    suites = passed_suites(reader, request.model)
    unknown = "".join(f" {wish};" for wish in request.unknown_to(whole, suites))
    what = "what passed is" if passing else "none of its variants passed so far"
    return NotFoundError(
        "\n".join([f"no variant of '{request.model}' fits ({request});{unknown} {what}", *lines]),
        where=tracking.shown,
        next_step="ask for less, or build more recipes: quantgate quantize",
    )


def _grouped(number: str | None) -> str:
    return f"{int(number):,}" if number is not None and number.isdecimal() else str(number)
