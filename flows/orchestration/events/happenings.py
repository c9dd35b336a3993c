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

from quantgate.pipelines.domain.values import JsonObject

PREFIX = "quantgate"
"""Begins the id of every resource that an event is about."""


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


def event_id(*parts: str) -> str:
    """Return the id of an event that these parts tell from others."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(parts)))


def moment() -> str:
    """Return the time, as events have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
