"""Whether this machine's memory holds every unit of a build, and what to do where it does not."""

from collections.abc import Sequence
from dataclasses import replace

from quantgate.flows.build.bases import sealed_base
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.references import references_finished
from quantgate.flows.build.resources.needs import (
    ANSWER,
    AUDIT,
    BUILD,
    COMPARE,
    UnitNeed,
    unit_needs,
)
from quantgate.flows.build.units import answered, sealed_audit
from quantgate.flows.settings import MEMORY_VARIABLE
from quantgate.pipelines.audit.bench.bench import base_in
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.files.sealed_values import Sealed

_MOST_SHOWN = 4
_MOST_DIGITS = 9
"""Of gigabytes: a byte."""


def refuse_beyond_memory(build: LocalBuild) -> None:
    """Refuse a build of which a unit that is yet to be done would not fit into memory even alone.

    Raises:
        ToolchainError: naming the units with what they need, and what helps.
    """
    memory_bytes, plan = build.settings.memory_bytes, build.plan
    beyond = [
        each
        for each in unit_needs(build)
        if each.need.size_bytes > memory_bytes and not _is_done(build, each)
    ]
    if not beyond:
        return
    digits = _telling_digits(memory_bytes, min(each.need.size_bytes for each in beyond))
    sentences = [
        f"\n  {each.step} {each.unit} needs about {each.need.size_bytes / 1e9:.{digits}f} GB"
        for each in beyond
    ]
    shown = "".join(sentences[:_MOST_SHOWN])
    more = f"\n  and {len(beyond) - _MOST_SHOWN} more" if len(beyond) > _MOST_SHOWN else ""
    steps = ["build on a machine with that much"]
    if _offloading_helps(build, beyond):
        steps.append("have weights read from the disk each time they are used with --offload")
    if any(each.step == ANSWER for each in beyond):
        steps.append("have a server answer that holds it (`servers:` and `judge_in:`)")
    steps.append(f"set {MEMORY_VARIABLE} in gigabytes if there is more than that")
    raise ToolchainError(
        f"this machine's memory of {memory_bytes / 1e9:.{digits}f} GB does not hold:{shown}{more}",
        where=plan.checkpoint.source,
        next_step="; or ".join(steps),
    )


def _telling_digits(memory_bytes: int, needed_bytes: int) -> int:
    """Return with how many decimals in gigabytes what is needed reads as more than what there is."""
    for digits in range(1, _MOST_DIGITS):
        if round(memory_bytes / 1e9, digits) < round(needed_bytes / 1e9, digits):
            return digits
    return _MOST_DIGITS


def _offloading_helps(build: LocalBuild, beyond: Sequence[UnitNeed]) -> bool:
    """Whether any of these steps would fit if weights were read from the disk."""
    offloading = replace(build, plan=replace(build.plan, offload=True))
    fitting = {
        (each.unit, each.step)
        for each in unit_needs(offloading)
        if each.need.size_bytes <= build.settings.memory_bytes
    }
    return any((each.unit, each.step) in fitting for each in beyond)


def _is_done(build: LocalBuild, asked: UnitNeed) -> bool:
    """Whether what a step makes is sealed already; nothing starts here."""
    bases = {base_in(name): name for name in build.plan.runtimes}
    if name := bases.get(asked.unit):
        if asked.step == COMPARE:
            return isinstance(sealed_base(build, name), Sealed)
        return references_finished(build, name)
    planned = build.plan.variant(asked.unit)
    if not planned.built(build.settings.store):
        return False
    if asked.step == BUILD:
        return True
    audit = sealed_audit(build, planned)
    if not isinstance(audit, Sealed):
        return False
    return asked.step == AUDIT or not audit.value.passed or answered(build, planned)
