"""A registered version as look-ups return it: trusted, located, with what is known of its corpus's drift."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import Store
from quantgate.registry.corpora.drift import CorpusDrift, newest_drift
from quantgate.registry.facts import VersionFacts, from_tags
from quantgate.registry.protocol import RecordedVersion, RegistryReader
from quantgate.registry.questions.locating import located
from quantgate.registry.seals import SealState, differing, seal_state

_RENEWAL_SECONDS = 0.3
"""Tags are renewed one after the other, the seal last."""
_SHOWN_TAGS = 5

UNSEALED = "unsealed (registered before facts were): held against its run; run the build again to seal them"
"""What is said of a version without a seal."""
OLDER_SEAL = (
    "sealed by an older quantgate, before seals covered whether a version is retired or its verdict waived; "
    "run the build again to seal that, too"
)
"""What is said of a version whose seal covers less than seals do now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A version that a look-up did not return although it would fit, and why.

    `altered` says that its tags are not what was registered; others may not be used (any more).
    """

    uri: str
    reason: str
    altered: bool = True

    def __str__(self) -> str:
        return f"{self.uri} is not returned: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """A registered version. `models:/<model>/<version>` is its address in MLflow.

    `aliases` point at it, `run_id` is the MLflow run that judged it. `drift` is how far the newest traffic
    that was compared is from the corpus it was calibrated on; None where it used none, or nobody compared
    any. `sealed` is False for versions from before facts were sealed: they were held against their run
    instead. `seal_is_older` says that its seal does not cover what people decided about it. `passed_over` are
    better fits that a look-up could not trust.
    """

    model: str
    version: str
    aliases: tuple[str, ...]
    run_id: str
    facts: VersionFacts
    drift: CorpusDrift | None = None
    sealed: bool = True
    seal_is_older: bool = False
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def seal_note(self) -> str | None:
        """Say what its seal does not cover; None where it covers all."""
        if not self.sealed:
            return UNSEALED
        return OLDER_SEAL if self.seal_is_older else None

    @property
    def uri(self) -> str:
        """Its address in MLflow."""
        return uri_of(self.model, self.version)

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


def uri_of(model: str, number: str) -> str:
    """Return the address of a version in MLflow."""
    return f"models:/{model}/{number}"


def trusted(
    reader: RegistryReader, model: str, version: RecordedVersion, store: Store
) -> RegisteredVersion:
    """Return a recorded version with its facts, as its seal holds.

    One without a seal, from before there were seals, is held against the tags of the run that it was made
    from. Its files are those of the store that is open, where that holds the variant; else they lie where
    they were registered. Its drift is left open; `with_drift` asks for that.

    Raises:
        InputError: this program did not register it, or its tags were altered.
        ServiceError: the registry does not answer.
    """
    state, where = seal_state(version.tags), uri_of(model, version.number)
    if state is SealState.NEWER:
        raise InputError(
            "was registered by a newer version of quantgate, which this one cannot check",
            where=where,
            next_step="install that version of quantgate, or a newer one",
        )
    facts = from_tags(version.tags, where)
    if not state.is_whole and (problem := _problem(reader, version, state)):
        raise InputError(
            problem,
            where=where,
            next_step="run the same build again, which registers its facts anew",
        )
    return RegisteredVersion(
        model=model,
        version=version.number,
        aliases=version.aliases,
        run_id=version.run_id,
        facts=located(facts, store),
        sealed=state.is_whole,
        seal_is_older=state is SealState.OLDER,
    )


def settled(reader: RegistryReader, model: str, version: RecordedVersion) -> RecordedVersion:
    """Return a version as it is a moment later, where its seal does not hold: tags may be being renewed."""
    if seal_state(version.tags) is not SealState.BROKEN:
        return version
    time.sleep(_RENEWAL_SECONDS)
    return reader.version(model, version.number) or version


def with_drift(version: RegisteredVersion, reader: RegistryReader) -> RegisteredVersion:
    """Return a version with the newest drift result of its corpus."""
    facts = version.facts
    return replace(version, drift=newest_drift(reader, facts.corpus, facts.digests.corpus))


def _problem(reader: RegistryReader, version: RecordedVersion, state: SealState) -> str:
    """Return why a version whose seal does not hold is not to be trusted; empty where it is."""
    altered = differing(version.tags, _run_tags(reader, version))
    if state is SealState.UNSEALED and not altered:
        return ""
    named = f" ({', '.join(altered[:_SHOWN_TAGS])})" if altered else ""
    return f"its tags were altered since it was registered{named}"


def _run_tags(reader: RegistryReader, version: RecordedVersion) -> Mapping[str, str]:
    return reader.run_tags(version.run_id) if version.run_id else {}
