"""The releases file: which models are followed, and what is built of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import is_folder
from quantgate.pipelines.hub.source import HubSource, parse_hub_source
from quantgate.pipelines.specs.loading import Spec, load_yaml
from quantgate.pipelines.specs.names import ModelName

WATCH_LIST = Path(__file__).parents[1] / "releases.yaml"


class FollowedSpec(Spec):
    """One entry as a person writes it; paths are relative to the file.

    `name` is what its variants are registered under, and tells entries apart that follow one source; without
    it the build file's name counts.
    """

    model: str = Field(min_length=1)
    name: ModelName | None = None
    build: str | None = None
    suite: str | None = None
    corpus: str | None = None
    policy: str | None = None
    recipes: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _says_what_to_build(self) -> Self:
        if self.build is None and self.suite is None:
            raise ValueError("say what to build: a `build` file, or at least a `suite`")
        return self


class WatchListSpec(Spec):
    """A releases file as a person writes it."""

    follow: tuple[FollowedSpec, ...]
    """What is looked at for new revisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One followed source: a hub branch, or a folder where `hub` is None. None leaves the build file's word.

    `name` is what variants are registered under; `label` names the entry in claims and messages and is
    unique in the list.
    """

    label: str
    name: str | None
    hub: HubSource | None
    folder: Path
    build: Path | None
    suite: Path | None
    corpus: Path | None
    policy: Path | None
    recipes: tuple[str, ...] | None


def load_watch_list(path: Path = WATCH_LIST) -> tuple[Followed, ...]:
    """Read a releases file.

    Raises:
        InputError: with every problem and its line; entries that cannot be told apart; a pinned commit.
    """
    folder = path.resolve().parent
    entries = tuple(_followed(spec, folder) for spec in load_yaml(path, WatchListSpec).follow)
    labels = [entry.label for entry in entries]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(
                f"'{label}' is followed twice", where=str(path), next_step="give each a `name`"
            )
    return entries


def _followed(spec: FollowedSpec, folder: Path) -> Followed:
    local = folder / spec.model
    hub = (
        None
        if is_folder(local) or spec.model.startswith(("/", "."))
        else parse_hub_source(spec.model)
    )
    if hub is not None and hub.is_pinned:
        raise InputError(
            "follows a pinned commit, which never changes",
            where=spec.model,
            next_step="name a branch, or only the repository",
        )

    def path(name: str | None) -> Path | None:
        return (folder / name).resolve() if name is not None else None

    return Followed(
        label=spec.name or spec.model,
        name=spec.name,
        hub=hub,
        folder=local.resolve(),
        build=path(spec.build),
        suite=path(spec.suite),
        corpus=path(spec.corpus),
        policy=path(spec.policy),
        recipes=spec.recipes,
    )
