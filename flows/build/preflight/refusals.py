"""What stands against several recipes of a build, as one error."""

from collections.abc import Mapping

from quantgate.pipelines.domain.errors import QuantgateError


def together(refusals: Mapping[str, QuantgateError], recipe_count: int) -> QuantgateError:
    """Return one error of the first one's kind that says all of them, by recipe name, and how to go on."""
    errors = tuple(refusals.values())
    steps = list(dict.fromkeys(error.next_step for error in errors if error.next_step))
    if len(refusals) < recipe_count:
        steps.append(f"leave out {', '.join(refusals)}")
    next_step = "; or ".join(steps) or "`quantgate recipes` lists others"
    if len(errors) == 1:
        only = errors[0]
        return type(only)(only.what, where=only.where, log=only.log, next_step=next_step)
    reasons = "".join(f"\n  {error.where}: {error.what}" for error in errors)
    return type(errors[0])(
        f"{len(errors)} of {recipe_count} recipes cannot be built:{reasons}", next_step=next_step
    )
