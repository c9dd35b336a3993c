"""What of a model passed: which suites, and which versions on each, as that suite sees them."""

from collections.abc import Mapping, Sequence

from quantgate.pipelines.domain.errors import InputError
from quantgate.registry.champions.judged import as_judged, passes_tag, suites_of
from quantgate.registry.facts import PASSED
from quantgate.registry.lineage_tag import filter_of
from quantgate.registry.protocol import RecordedVersion, RegistryReader, VersionQuery
from quantgate.registry.tags import NONE
from quantgate.registry.tracking import Tracking


def passed_suites(reader: RegistryReader, model: str) -> tuple[str, ...]:
    """Return the suites that versions of a model passed, further ones among them: these have an alias."""
    suites: list[str] = []
    while (suite := _newest_suite(reader, model, tuple(suites))) is not None:
        suites.append(suite)
    for alias in sorted((reader.aliases(model) or {}).keys() - set(suites)):
        pointed = reader.alias_version(model, alias)
        if pointed is not None and alias in suites_of(pointed.tags):
            suites.append(alias)
    return tuple(suites)


def only_suite(reader: RegistryReader, model: str, tracking: Tracking) -> str | None:
    """Return the suite that versions of a model passed; None where none did.

    Raises:
        InputError: they passed several.
    """
    suites = passed_suites(reader, model)
    if len(suites) > 1:
        raise InputError(
            f"'{model}' passed more than one suite: {', '.join(sorted(suites))}",
            where=tracking.shown,
            next_step="say which one is meant (suite=… or --suite)",
        )
    return suites[0] if suites else None


def passing_on(
    reader: RegistryReader, model: str, suites: Sequence[str], tags: Mapping[str, str]
) -> Mapping[str, RecordedVersion]:
    """Return versions with these tags that pass one of the suites, by number, as that suite sees them.

    Of several it is the one that judged the version first.
    """
    passing: dict[str, RecordedVersion] = {}
    for suite in suites:
        first = filter_of(verdict=PASSED, suite_name=suite)
        held = reader.versions(VersionQuery(model=model, tags={**tags, **first}))
        passing |= {version.number: version for version in held}
    for suite in suites:
        further = VersionQuery(model=model, tags=tags, other_tags={passes_tag(suite): (NONE,)})
        passing = {v.number: as_judged(v, suite) for v in reader.versions(further)} | passing
    return passing


def _newest_suite(reader: RegistryReader, model: str, others: tuple[str, ...]) -> str | None:
    """Return the suite of the newest version that passed another one than those; None where there is none."""
    query = VersionQuery(
        model=model,
        tags=filter_of(verdict=PASSED),
        other_tags={
            "suite_name": ("", *others)
        },  # nor of those without a suite, registered by hand
        wanted=("suite_name",),
        limit=1,
    )
    return next((version.tags["suite_name"] for version in reader.versions(query)), None)
