"""Build files: which checkpoint, which corpus, which suite, which policy, which recipes."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from pipelines.domain.errors import InputError
from pipelines.specs.loading import Spec, load_yaml


class BuildFile(Spec):
    """A build file as a person writes it; paths are relative to the file."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    model: str
    suite: str
    corpus: str | None = None
    policy: str | None = None
    recipes: tuple[str, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What the user asked for. `model` is a folder or `org/name[@revision]`.

    `name` is what variants are registered under; None takes the checkpoint's own name. `folder` is
    where relative recipe files are looked for.
    """

    name: str | None
    model: str
    suite: Path
    corpus: Path | None
    policy: Path | None
    recipes: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOverrides:
    """What stands on the command line; None leaves the build file's word."""

    model: str | None = None
    suite: Path | None = None
    corpus: Path | None = None
    policy: Path | None = None
    recipes: tuple[str, ...] | None = None


def load_build(
    path: Path | None, overrides: BuildOverrides, default_recipes: tuple[str, ...]
) -> BuildSpec:
    """Combine a build file, if any, with the command line.

    Raises:
        InputError: where the file has problems, or model or suite are said nowhere.
    """
    if path is not None:
        spec = _from_file(path)
    else:
        if not overrides.model or not overrides.suite:
            raise InputError(
                "a build needs a model and a suite",
                next_step="name them (`quantgate quantize MODEL --suite DIR`) or give --build FILE",
            )
        spec = BuildSpec(
            name=None,
            model=overrides.model,
            suite=overrides.suite,
            corpus=None,
            policy=None,
            recipes=default_recipes,
            folder=Path.cwd(),
        )
    renamed = overrides.model is not None and overrides.model != spec.model
    return replace(
        spec,
        name=None if renamed else spec.name,
        model=overrides.model or spec.model,
        suite=overrides.suite or spec.suite,
        corpus=overrides.corpus or spec.corpus,
        policy=overrides.policy or spec.policy,
        recipes=overrides.recipes or spec.recipes,
    )


def _from_file(path: Path) -> BuildSpec:
    file = load_yaml(path, BuildFile)
    folder = path.resolve().parent
    local = folder / file.model
    return BuildSpec(
        name=file.name,
        model=str(local) if local.is_dir() or file.model.startswith(".") else file.model,
        suite=folder / file.suite,
        corpus=folder / file.corpus if file.corpus else None,
        policy=folder / file.policy if file.policy else None,
        recipes=file.recipes,
        folder=folder,
    )
