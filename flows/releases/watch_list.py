"""The releases file: which models are followed, and what is built of each."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from quantgate.flows.releases.contents import Part
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import is_folder
from quantgate.pipelines.hub.buckets import SCHEME, require_bucket_folder
from quantgate.pipelines.hub.source import HubSource, parse_hub_source
from quantgate.pipelines.specs.foreign import ForeignPlace, PlaceText, foreign_places
from quantgate.pipelines.specs.loading import Spec, load_yaml
from quantgate.pipelines.specs.names import ModelName
from quantgate.registry.traces import PREFIX

_WILD = frozenset("*?[")
_AUTHOR = re.compile(r"^[A-Za-z0-9][\w.-]*$", re.ASCII)
WATCH_LIST = Path(__file__).parents[1] / "releases.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """Which of the repositories that fit a pattern are followed; None and () let all pass."""

    tags: tuple[str, ...] = ()
    pipeline: str | None = None
    licences: tuple[str, ...] = ()
    max_gigabytes: float | None = None


class ModelLimitsSpec(Spec):
    """Which of the repositories that fit a pattern are followed."""

    tags: tuple[str, ...] = ()
    """Tags that a repository has to have, all of them."""
    pipeline: str | None = None
    """The task that the hub lists it under, such as text-generation."""
    licences: tuple[str, ...] = ()
    """Licences of which it has to have one, as the hub spells them: apache-2.0."""
    max_gigabytes: float | None = Field(default=None, gt=0)
    """How much may be fetched of one revision."""


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
    ignore: tuple[Part, ...] = ()
    """Parts whose change alone builds nothing anew."""
    foreign: tuple[PlaceText, ...] = ()
    """Quants that others made, judged as they appear: `hub:org/name[:pattern]`, files, patterns of files."""
    only: ModelLimitsSpec | None = None
    """Which of the repositories that fit a pattern are followed."""
    traffic: str | None = Field(default=None, min_length=1)
    """Today's traffic, a chat log or `mlflow:EXPERIMENT`, held against the corpora at each look."""

    @model_validator(mode="after")
    def _says_what_to_build(self) -> Self:
        if self.build is None and self.suite is None:
            raise ValueError("say what to build: a `build` file, or at least a `suite`")
        is_pattern = bool(set(self.model) & _WILD)
        if is_pattern and self.name is not None:
            raise ValueError("a pattern means many models, which have no `name` in common")
        if self.model.startswith(SCHEME) and self.name is None:
            raise ValueError(
                "a folder of a bucket needs a `name`: its variants are registered under it"
            )
        if self.only is not None and not is_pattern:
            raise ValueError("`only` narrows a pattern such as org/*")
        return self


class WatchListSpec(Spec):
    """A releases file as a person writes it."""

    follow: tuple[FollowedSpec, ...]
    """What is looked at for new revisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One followed source: a hub branch, a `bucket`'s folder, or a local one. None is left to the build file.

    With a `pattern` it stands for every repository that fits it and `limits`. `traffic` is what its corpora
    are held against at each look.

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
    ignore: tuple[Part, ...] = ()
    foreign: tuple[ForeignPlace, ...] = ()
    limits: ModelLimits = ModelLimits()
    pattern: str | None = None
    traffic: str | None = None
    bucket: str | None = None


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
    if set(spec.model) & _WILD:
        return _pattern(spec, folder)
    if spec.model.startswith(SCHEME):
        require_bucket_folder(spec.model)
        return replace(_entry(spec, folder, hub=None, local=folder), bucket=spec.model)
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

    return _entry(spec, folder, hub=hub, local=local.resolve())


def _pattern(spec: FollowedSpec, folder: Path) -> Followed:
    author = spec.model.partition("/")[0]
    if not _AUTHOR.match(author) or spec.model.count("/") != 1:
        raise InputError(
            "is no pattern of repositories",
            where=spec.model,
            next_step="name one owner and a pattern of names: org/*, org/name-*-Instruct",
        )
    limits = ModelLimits(**spec.only.model_dump()) if spec.only else ModelLimits()
    entry = _entry(spec, folder, hub=None, local=folder)
    return replace(entry, pattern=spec.model, limits=limits)


def _entry(spec: FollowedSpec, folder: Path, *, hub: HubSource | None, local: Path) -> Followed:
    def path(name: str | None) -> Path | None:
        return (folder / name).resolve() if name is not None else None

    return Followed(
        label=spec.name or spec.model,
        name=spec.name,
        hub=hub,
        folder=local,
        build=path(spec.build),
        suite=path(spec.suite),
        corpus=path(spec.corpus),
        policy=path(spec.policy),
        recipes=spec.recipes,
        ignore=spec.ignore,
        foreign=foreign_places(spec.foreign, folder),
        traffic=_traffic(spec.traffic, folder),
    )


def _traffic(source: str | None, folder: Path) -> str | None:
    """Return traffic as `quantgate corpus drift` takes it; a file is meant relative to the list."""
    if source is None or source.startswith(PREFIX):
        return source
    return str((folder / source).resolve())
