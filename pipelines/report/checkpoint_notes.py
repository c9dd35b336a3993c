"""What is said of a base wherever it is shown: what nobody reviewed, what no verdict is about."""

from quantgate.pipelines.domain.checkpoint import Checkpoint

_SHOWN = 4


def checkpoint_notes(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return a sentence for each: what it lost, its architecture, what is left out, and what is odd."""
    unreviewed = (
        f"architecture: {checkpoint.architecture_review} ({checkpoint.architecture} was never tried here; "
        "audits hold each file against the base)"
    )
    refusals = (
        f"{refusal.why}, so what needs it is left out" for refusal in checkpoint.tool_refusals
    )
    losses = (
        f"the base is {loss}: variants are held against it as it is, and what it had lost before is in no "
        "number here"
        for loss in checkpoint.losses
    )
    return (
        *losses,
        *(() if checkpoint.reviewed else (unreviewed,)),
        *((_text_only(checkpoint.parts_beside),) if checkpoint.parts_beside else ()),
        *refusals,
        *checkpoint.notes,
    )


def _text_only(parts: tuple[str, ...]) -> str:
    more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return (
        f"only its language model is built and judged: {', '.join(parts[:_SHOWN])}{more} stay whole in "
        "folders and are left out of GGUFs"
    )
