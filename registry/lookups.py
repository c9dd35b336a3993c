"""Look up the smallest variant that passed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.files.store import MANIFEST, Store, open_store
from quantgate.registry.corpora.drift import CorpusDrift, newest_drift
from quantgate.registry.facts import PASSED, VersionFacts, filter_of, from_tags
from quantgate.registry.names import check_model_name
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry, RecordedVersion, Registry, smallest
from quantgate.registry.tracking import Tracking

_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupRequest:
    """What a caller can use. None leaves a question open.

    `runtime` is an engine (`llama.cpp`, `transformers`; spelling of dots and case is free), `format` is
    bytes on disk (`gguf`, `compressed-tensors`).
    """

    model: str
    suite: str | None = None
    runtime: str | None = None
    format: str | None = None
    max_size_bytes: int | None = None

    def fits(self, facts: VersionFacts) -> bool:
        """Whether a version meets every wish."""
        return (
            (self.suite is None or facts.suite_name == self.suite)
            and (self.runtime is None or _plain(facts.runtime.engine) == _plain(self.runtime))
            and (self.format is None or _plain(facts.format) == _plain(self.format))
            and (self.max_size_bytes is None or facts.size_bytes <= self.max_size_bytes)
        )

    def __str__(self) -> str:
        wishes = [
            f"suite {self.suite}" if self.suite else "",
            f"runtime {self.runtime}" if self.runtime else "",
            f"format {self.format}" if self.format else "",
            f"at most {self.max_size_bytes:,} bytes" if self.max_size_bytes is not None else "",
        ]
        return ", ".join(wish for wish in wishes if wish) or "no further wish"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """A registered version. `models:/<model>/<version>` is its address in MLflow.

    `drift` is how far the newest traffic that was compared is from the corpus it was calibrated on; None
    where it used none, or nobody compared any.
    """

    model: str
    version: str
    aliases: tuple[str, ...]
    run_id: str
    facts: VersionFacts
    drift: CorpusDrift | None = None

    @property
    def uri(self) -> str:
        """Its address in MLflow."""
        return f"models:/{self.model}/{self.version}"

    @property
    def folder(self) -> Path:
        """The sealed folder: in the open store where that holds it, else where it was registered."""
        return Path(self.facts.location)

    @property
    def artifact(self) -> Path:
        """The file or folder that a runtime loads."""
        return Path(self.facts.artifact)

    @property
    def is_here(self) -> bool:
        """Whether the artifact can be reached from this machine."""
        return self.artifact.exists()


def lookup(
    model: str,
    *,
    suite: str | None = None,
    runtime: str | None = None,
    format: str | None = None,
    max_size_bytes: int | None = None,
    tracking_uri: str | None = None,
) -> RegisteredVersion:
    """Return the smallest variant of `model` that passed, among those that compete for the suite's alias.

    With no wish but the suite this is what `models:/<model>@<suite>` points at: same base, suite digest
    and policy as the newest registration. `runtime` and `format` say what the caller can load,
    `max_size_bytes` what it can hold. `tracking_uri` overrides MLFLOW_TRACKING_URI, which overrides the
    store (QUANTGATE_STORE, else the nearest `.quantgate` upwards). The files are not read: `verify` does
    that.

    Raises:
        NotFoundError: nothing fits; it says what there is instead.
        InputError: there is no such format, or the model has passing variants of several suites and none
            was named.
        ServiceError: MLflow did not answer.
    """
    request = LookupRequest(
        model=model, suite=suite, runtime=runtime, format=format, max_size_bytes=max_size_bytes
    )
    return find(request, Tracking.resolve(open_store(), uri=tracking_uri))


def find(
    request: LookupRequest, tracking: Tracking, *, open_registry: OpenRegistry = open_mlflow
) -> RegisteredVersion:
    """Return what `lookup` does, from the MLflow that `open_registry` opens."""
    check_model_name(request.model)
    _check_format(request.format)
    tracking.require_database()
    registry = open_registry(tracking)
    aliases = registry.aliases(request.model)
    if aliases is None:
        raise no_such_model(registry, request.model, tracking)
    passing = registry.versions(request.model, filter_of(verdict=PASSED))
    ours = [version for version in passing if "version_key" in version.tags]
    competing = _competing(ours, _suite_meant(request, ours, tracking), aliases)
    fitting = tuple(
        v for v in competing if request.fits(from_tags(v.tags, _place(request.model, v)))
    )
    best = smallest(fitting)
    if best is None:
        raise _nothing_fits(request, ours, tracking)
    return with_drift(registered_version(request.model, best, aliases, tracking), registry)


def _check_format(name: str | None) -> None:
    """Refuse a format that there is none of: a misspelt one would find nothing, as if nothing had passed."""
    formats = [format.value for format in Format]
    if name is not None and _plain(name) not in map(_plain, formats):
        raise InputError(
            f"there is no format '{name}'",
            where="format",
            next_step=f"name one of {', '.join(formats)}",
        )


def with_drift(version: RegisteredVersion, registry: Registry) -> RegisteredVersion:
    """Return a version with the newest drift result of its corpus."""
    facts = version.facts
    return replace(version, drift=newest_drift(registry, facts.corpus, facts.digests.corpus))


def registered_version(
    model: str, version: RecordedVersion, aliases: Mapping[str, str], tracking: Tracking
) -> RegisteredVersion:
    """Return a recorded version with its facts and the aliases that point at it.

    Its files are those of the store that is open, where that holds the variant; else they lie where they
    were registered.

    Raises:
        InputError: where this program did not register it.
    """
    return RegisteredVersion(
        model=model,
        version=version.number,
        aliases=tuple(sorted(a for a, number in aliases.items() if number == version.number)),
        run_id=version.run_id,
        facts=located(from_tags(version.tags, _place(model, version)), tracking.store),
    )


def located(facts: VersionFacts, store: Store) -> VersionFacts:
    """Return facts whose paths are in `store`, where it holds the sealed folder they name.

    A store may have been moved or copied since it was registered; its folders are named by content. An
    artifact that lies outside its own folder stays as it is: `verify` refuses it.
    """
    registered, artifact = Path(facts.location), Path(facts.artifact)
    here = store.variants / registered.name
    if (
        here == registered
        or not (here / MANIFEST).is_file()
        or not artifact.is_relative_to(registered)
    ):
        return facts
    inside = artifact.relative_to(registered)
    return replace(facts, location=str(here), artifact=str(here / inside))


def no_such_model(registry: Registry, model: str, tracking: Tracking) -> NotFoundError:
    """Return the error that says which models there are instead."""
    names = registry.model_names()
    shown = ", ".join(names[:_SHOWN_NAMES]) + (" …" if len(names) > _SHOWN_NAMES else "")
    return NotFoundError(
        f"no model '{model}' is registered; there {'are: ' + shown if names else 'is none at all'}",
        where=tracking.shown,
        next_step=f"build it: quantgate quantize (registers what passes under '{model}')",
    )


def _suite_meant(
    request: LookupRequest, versions: list[RecordedVersion], tracking: Tracking
) -> str | None:
    """Return the suite that is meant; None where nothing at all passed."""
    suites = sorted({version.tags["suite_name"] for version in versions})
    if request.suite is None and len(suites) > 1:
        raise InputError(
            f"'{request.model}' passed more than one suite: {', '.join(suites)}",
            where=tracking.shown,
            next_step="say which one is meant (suite=… or --suite)",
        )
    return request.suite or (suites[0] if suites else None)


def _competing(
    versions: list[RecordedVersion], suite: str | None, aliases: Mapping[str, str]
) -> list[RecordedVersion]:
    """Return the versions in the scope that the suite's alias stands for, else in the newest one's."""
    of_suite = [version for version in versions if version.tags["suite_name"] == suite]
    if not of_suite:
        return []
    champion = aliases.get(suite or "")
    leader = next((v for v in of_suite if v.number == champion), of_suite[-1])
    return [version for version in of_suite if version.tags["scope"] == leader.tags["scope"]]


def _nothing_fits(
    request: LookupRequest, passing: list[RecordedVersion], tracking: Tracking
) -> NotFoundError:
    passed = [
        f"{v.tags['identifier']} (version {v.number}, {v.tags['format']} in "
        f"{v.tags['runtime_engine']}, {int(v.tags['size_bytes']):,} bytes, suite {v.tags['suite']})"
        for v in passing
    ]
    instead = (
        f"what passed is {'; '.join(passed)}" if passed else "none of its variants passed so far"
    )
    return NotFoundError(
        f"no variant of '{request.model}' fits ({request}); {instead}",
        where=tracking.shown,
        next_step="ask for less, or build more recipes: quantgate quantize",
    )


def _place(model: str, version: RecordedVersion) -> str:
    return f"models:/{model}/{version.number}"


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
