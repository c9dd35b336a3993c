"""What happened, as Prefect's events have it: a name, what it is about, and what a flow needs to act on it.

| event | about | when |
|---|---|---|
| `model.released` | `quantgate.model.<entry>` | a followed release is about to be built |
| `suite.changed` | `quantgate.suite.<entry>` | its suite or its policy differs from what was built last |
| `calibration.drifted` | `quantgate.corpus.<name>` | today's traffic has moved away from a corpus |
| `verdict.changed` | `quantgate.variant.<identifier>` | a variant is decided otherwise than before |
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from quantgate.calibration.drift.sealing import DriftEvent
from quantgate.flows.build.states.verdict_changes import VerdictChange
from quantgate.flows.releases.looking import Release
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.records import to_json

_PREFIX = "quantgate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event. `id` is the same for the same thing, so that it counts once however often it is sent.

    `resource` is the id of what it is about and `name` what people call that; `labels` are what automations
    can match, `payload` is what flows get.
    """

    event: str
    id: str
    occurred: str
    resource: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    payload: JsonObject = field(default_factory=dict)

    @property
    def document(self) -> JsonObject:
        """The event as Prefect's API takes it."""
        return {
            "event": self.event,
            "id": self.id,
            "occurred": self.occurred,
            "resource": {
                "prefect.resource.id": self.resource,
                "prefect.resource.name": self.name,
                **self.labels,
            },
            "payload": self.payload,
        }


def drifted(event: DriftEvent) -> Happening:
    """Return a corpus's drift."""
    payload = to_json(event)
    assert isinstance(payload, dict)
    return Happening(
        event=event.event,
        id=event.id,
        occurred=event.occurred,
        resource=f"{_PREFIX}.corpus.{event.corpus_name}",
        name=event.corpus,
        labels={"corpus_digest": event.corpus_digest},
        payload=payload,
    )


def of_release(release: Release) -> tuple[Happening, ...]:
    """Return what a release that is about to be built means: the release, and a suite that changed."""
    label, key = release.followed.label, release.key
    payload: JsonObject = {
        "entry": label,
        "revision": release.revision,
        "model": release.model,
        "news": release.news,
        "parts": dict(release.contents.parts),
    }
    released = Happening(
        event="model.released",
        id=_id("model.released", label, key.revision, key.asked),
        occurred=_now(),
        resource=f"{_PREFIX}.model.{label}",
        name=label,
        labels={"revision": release.revision},
        payload=payload,
    )
    if not {"suite", "policy"} & set(release.changed):
        return (released,)
    suite = release.contents.parts["suite"]
    changed = Happening(
        event="suite.changed",
        id=_id("suite.changed", label, suite, release.contents.parts["policy"]),
        occurred=_now(),
        resource=f"{_PREFIX}.suite.{label}",
        name=f"the suite of {label}",
        labels={"suite_digest": suite},
        payload=payload,
    )
    return (released, changed)


def of_verdict(change: VerdictChange) -> Happening:
    """Return a verdict that differs from the one before."""
    payload = to_json(change)
    assert isinstance(payload, dict)
    return Happening(
        event="verdict.changed",
        id=_id("verdict.changed", change.build, change.identifier, change.before, change.after),
        occurred=_now(),
        resource=f"{_PREFIX}.variant.{change.identifier}",
        name=change.identifier,
        labels={"before": change.before, "after": change.after},
        payload=payload,
    )


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(parts)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
