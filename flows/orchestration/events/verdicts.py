"""A verdict that differs from the one before, as an event."""

from quantgate.flows.build.states.verdict_changes import VerdictChange
from quantgate.flows.orchestration.events.happenings import PREFIX, Happening, event_id, moment
from quantgate.pipelines.files.records import to_json


def of_verdict(change: VerdictChange) -> Happening:
    """Return a verdict that differs from the one before."""
    payload = to_json(change)
    assert isinstance(payload, dict)
    return Happening(
        event="verdict.changed",
        id=event_id(
            "verdict.changed", change.build, change.identifier, change.before, change.after
        ),
        occurred=moment(),
        resource=f"{PREFIX}.variant.{change.identifier}",
        name=change.identifier,
        labels={"before": change.before, "after": change.after},
        payload=payload,
    )
