"""A release that is about to be built, as events."""

from quantgate.flows.orchestration.events.happenings import PREFIX, Happening, event_id, moment
from quantgate.flows.releases.looking import Release
from quantgate.pipelines.domain.values import JsonObject


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
        id=event_id("model.released", label, key.revision, key.asked),
        occurred=moment(),
        resource=f"{PREFIX}.model.{label}",
        name=label,
        labels={"revision": release.revision},
        payload=payload,
    )
    if not {"suite", "policy"} & set(release.changed):
        return (released,)
    suite = release.contents.parts["suite"]
    changed = Happening(
        event="suite.changed",
        id=event_id("suite.changed", label, suite, release.contents.parts["policy"]),
        occurred=moment(),
        resource=f"{PREFIX}.suite.{label}",
        name=f"the suite of {label}",
        labels={"suite_digest": suite},
        payload=payload,
    )
    return (released, changed)
