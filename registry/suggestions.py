"""What there is instead of a model that nobody registered."""

from collections.abc import Iterable
from difflib import get_close_matches

from quantgate.pipelines.domain.errors import NotFoundError, ServiceError
from quantgate.registry.protocol import RegistryReader
from quantgate.registry.tracking import Tracking

_SHOWN_NAMES = 10


def no_such_model(reader: RegistryReader, model: str, tracking: Tracking) -> NotFoundError:
    """Return the error that says which model may be meant, else which ones there are."""
    try:
        names = reader.model_names(model)
    except ServiceError:  # it answered before: what was asked for is not there, whatever else is
        names = ()
    return absent_model(model, names, tracking)


def absent_model(model: str, names: tuple[str, ...], tracking: Tracking) -> NotFoundError:
    """Return the same error, where the names of registered models are known."""
    return NotFoundError(
        f"no model '{model}' is registered; {instead(model, names)}",
        where=tracking.shown,
        next_step=f"build it: quantgate quantize (registers what passes under '{model}')",
    )


def instead(asked: str, names: Iterable[str]) -> str:
    """Return which of some names may be meant by one that is none of them, else which ones there are."""
    names = tuple(names)
    folded = {name.casefold(): name for name in names}
    near = get_close_matches(asked.casefold(), folded, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(folded[name] for name in near)}?"
    if not names:
        return "there is none at all"
    more = " …" if len(names) > _SHOWN_NAMES else ""
    return f"there are: {', '.join(names[:_SHOWN_NAMES])}{more}"
