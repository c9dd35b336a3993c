"""`quantgate rollback`, `retire` and `waive`: what people decide about registered versions."""

from dataclasses import replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import open_store
from quantgate.pipelines.specs.waivers import parse_day
from quantgate.registry import Alias, Decider, Tracking, VersionName, retire, rollback, waive
from quantgate.registry.names import check_asked_name
from quantgate.registry.protocol import AliasChange


def rollback_command(reference: str, *, to: str | None, reason: str, who: str | None) -> int:
    """Point an alias at an earlier champion and say so."""
    model, _, suite = reference.removeprefix("models:/").partition("@")
    if not suite:
        raise InputError("is not an alias", where=repr(reference), next_step="write MODEL@SUITE")
    check_asked_name(model)
    change = rollback(
        Alias(model=model, suite=suite),
        Tracking.resolve(open_store()),
        by=Decider(reason=reason, who=who),
        to=to,
    )
    _print_change(model, change)
    return 0


def retire_command(reference: str, *, reason: str, who: str | None) -> int:
    """Retire a version and say which aliases left it."""
    name = _version_named(reference)
    changes = retire(name, Tracking.resolve(open_store()), by=Decider(reason=reason, who=who))
    print(f"{name} is retired")
    for change in changes:
        _print_change(name.model, change)
    return 0


def waive_command(reference: str, *, suite: str | None, reason: str, who: str, until: str) -> int:
    """Waive a verdict and say whether the alias changed."""
    name = replace(_version_named(reference), suite=suite)
    change = waive(
        name,
        Tracking.resolve(open_store()),
        by=Decider(reason=reason, who=who),
        until=parse_day(until),
    )
    print(f"the verdict against {name} is waived until {until}")
    if change is not None:
        _print_change(name.model, change)
    return 0


def _print_change(model: str, change: AliasChange) -> None:
    before = f"version {change.before}" if change.before else "nothing"
    after = f"version {change.after}" if change.after else "nothing"
    print(f"{model}@{change.alias}: {before} -> {after} ({change.reason})")


def _version_named(reference: str) -> VersionName:
    model, _, number = reference.removeprefix("models:/").partition("/")
    if not (number.isdecimal() and number.isascii()):
        raise InputError(
            "is not a version",
            where=repr(reference),
            next_step="write NAME/VERSION, e.g. support-llama/3",
        )
    check_asked_name(model)
    return VersionName(model=model, number=str(int(number)))
