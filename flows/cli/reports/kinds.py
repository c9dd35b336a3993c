"""Whether names are builds of the store or registered versions; imports nothing that a look-up need not."""

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.store import open_store


def are_builds(first: str, second: str) -> bool:
    """Whether two names are those of builds in the store, and not of registered versions.

    Raises:
        InputError: where one is a build and the other is not.
    """
    names = [path.parent.name for path in (open_store().root / "plans").glob("*/plan.json")]
    builds = [_is_build(each, names) for each in (first, second)]
    if any(builds) and not all(builds):
        build, other = (first, second) if builds[0] else (second, first)
        raise InputError(
            f"'{build}' is a build of this store, and '{other}' is none",
            where="quantgate compare",
            next_step="compare two builds, or two registered versions",
        )
    return all(builds)


def _is_build(text: str, names: list[str]) -> bool:
    """A model's name alone is a registered one, whatever builds begin with it."""
    name = text.rstrip("/").rpartition("/")[2]
    return any(each == name or (each.startswith(name) and "--" in name) for each in names)
