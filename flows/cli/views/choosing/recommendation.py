"""What `quantgate recommend` shows: what to build first, what each recipe would take, what speaks for it."""

from quantgate.flows.build.recommending.choosing import REGISTRY, Option, Recommendation
from quantgate.flows.build.recommending.prior import Device
from quantgate.flows.cli.views.plain import print_facts, print_table
from quantgate.flows.cli.views.sizes import megabytes


def show_recommendation(recommendation: Recommendation, model: str) -> None:
    """Print a table of recipes, best first, and the command that judges the first."""
    asked, base = recommendation.asked, recommendation.base
    print_table(
        [
            (
                "recipe",
                "W/A/KV",
                "weights",
                "+ cache",
                "+ program",
                "= memory",
                "fits",
                "because of",
            ),
            *(_row(option) for option in recommendation.options),
        ]
    )
    print()
    fits = "fits" if recommendation.base_fits else "does not fit"
    allowance = (
        "" if asked.device is Device.CPU else "; a GPU's program is an allowance, not measured"
    )
    facts = [
        (
            "model",
            f"{recommendation.architecture}, {recommendation.parameter_count / 1e6:,.1f}M weights",
        ),
        ("base", f"takes {megabytes(base.size_bytes)} in 16 bits, which {fits}"),
        (
            "memory",
            f"{megabytes(asked.memory_bytes)} on {asked.device}, {asked.context_tokens:,} tokens of one "
            f"request{allowance}",
        ),
        (
            "floor",
            f"{recommendation.floor.bits:g} bits: {recommendation.floor.why} ({recommendation.floor.source})",
        ),
        *_first(recommendation, model),
    ]
    print_facts(facts, indent=8)


def _row(option: Option) -> tuple[str, ...]:
    memory = option.memory
    return (
        option.recipe,
        option.numerics,
        megabytes(memory.weights_bytes),
        megabytes(memory.cache_bytes),
        megabytes(memory.program_bytes),
        megabytes(memory.size_bytes),
        "yes" if option.fits else "no",
        f"{option.basis}{' (below the floor)' if option.below_floor else ''}",
    )


def _first(recommendation: Recommendation, model: str) -> list[tuple[str, str]]:
    """Say what to build first, and how; or that nothing fits."""
    chosen = next((o for o in recommendation.options if o.recipe == recommendation.first), None)
    if chosen is None:
        return [("first", "nothing fits: take a smaller model, a shorter context or more memory")]
    size = recommendation.asked.memory_bytes
    measured = chosen.basis == REGISTRY
    return [
        ("first", f"{chosen.recipe}: {chosen.why}"),
        ("", "measured here" if measured else "a prior, and no verdict: your own suite decides"),
        ("next", f"quantgate quantize {model} --suite DIR --recipes '{chosen.recipe}'"),
        ("or", f"quantgate quantize {model} --suite DIR --search memory --budget {size / 1e9:g}GB"),
    ]
