"""Records that name paths of a store, read in a store that was moved or copied since."""

from quantgate.pipelines.domain.values import JsonValue


def moved(value: JsonValue, before: str, now: str) -> JsonValue:
    """Return a value with every path below the folder `before` put below `now`."""
    if before == now:
        return value
    if isinstance(value, dict):
        return {key: moved(item, before, now) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [moved(item, before, now) for item in value]
    if isinstance(value, str) and (value == before or value.startswith(f"{before}/")):
        return now + value.removeprefix(before)
    return value
