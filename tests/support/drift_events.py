"""Events of drift that a store holds."""

from quantgate.calibration.drift.sealing import EVENT, DriftEvent
from quantgate.pipelines.files.sealed import is_sealed, read_manifest
from quantgate.pipelines.files.store import Store


def sealed_events(store: Store) -> tuple[DriftEvent, ...]:
    """Oldest first."""
    folders = (store.root / "events").glob(f"{EVENT}--*")
    events = [read_manifest(folder, DriftEvent).record for folder in folders if is_sealed(folder)]
    return tuple(sorted(events, key=lambda event: (event.occurred, event.id)))
