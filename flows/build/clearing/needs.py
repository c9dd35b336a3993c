"""What of a store is needed: by registered versions, receipts, registrations that wait, running builds."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.clearing.usage import UsedPlans
from quantgate.flows.build.plan import BuildPlan
from quantgate.flows.build.plan_files import plan_files, read_plan
from quantgate.pipelines.domain.errors import InputError, NotFoundError, QuantgateError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import read_checked, to_json
from quantgate.pipelines.files.sealed import read_manifest
from quantgate.pipelines.files.store import MANIFEST, Store
from quantgate.pipelines.variants.variant import VariantRecord
from quantgate.registry import Receipt, Tracking
from quantgate.registry.protocol import OpenReader, RegistryReader, VersionQuery
from quantgate.registry.recording.pending import pending_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What stays, and why.

    `variants` maps names of folders of variants to what needs them; `paths` are what running builds were
    planned with and, where that was asked for, champions. `unasked` says why the registry could not be asked:
    then every variant may be registered. `running` says that somebody builds, `planning` that one of them has
    not named its plan yet, or that the plan cannot be read: it may need anything. `champions_unknown` says
    that of some champion nobody knows what it was made from.
    """

    variants: Mapping[str, str]
    paths: frozenset[Path]
    unasked: str | None = None
    running: bool = False
    planning: bool = False
    champions_unknown: bool = False

    def of_variant(self, folder: Path) -> str | None:
        """Return why a variant stays, None where nothing needs it."""
        if self.unasked is not None:
            return "the registry cannot be asked whether it is registered"
        return self.variants.get(folder.name) or self.of(folder)

    def of(self, path: Path) -> str | None:
        """Return why a running build may need a file or folder, None where none does."""
        if self.planning:
            return "a build is being planned"
        for needed in self.paths:
            if needed == path or needed.is_relative_to(path) or path.is_relative_to(needed):
                return "a running build needs it, or a champion was made from it"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldVersions:
    variants: Mapping[str, str]
    champions: frozenset[str]
    unasked: str | None


def needs_of(
    tracking: Tracking, open_reader: OpenReader, *, running: UsedPlans, keep_champions: bool
) -> Needs:
    """Ask registry, receipts and plans what is needed; nothing that is in doubt is left out.

    `running` are the plans in use. What waits is read first: a registration that ends meanwhile is found in
    the registry then.
    """
    store = tracking.store
    waiting = _waiting(store)
    plans = tuple(_plans(store))
    registered = _registered(store, tracking, open_reader, plans)
    named = {plan.name: plan for plan in plans}
    used = [named[name] for name in running if name in named]
    champions = [
        plan
        for plan in plans
        if keep_champions
        and any(v.folder(store).name in registered.champions for v in plan.variants)
    ]
    buildable = {v.folder(store).name for plan in champions for v in plan.variants}
    return Needs(
        variants={**waiting, **registered.variants},
        paths=frozenset(path for plan in (*used, *champions) for path in _paths(plan, store)),
        unasked=registered.unasked,
        running=bool(running),
        planning=any(name not in named for name in running),
        champions_unknown=keep_champions
        and (registered.unasked is not None or not registered.champions <= buildable),
    )


def _plans(store: Store) -> Iterator[BuildPlan]:
    for path in plan_files(store):
        with suppress(InputError):  # of another version, or edited: its build cannot be running
            yield read_plan(path)


def _paths(plan: BuildPlan, store: Store) -> Iterator[Path]:
    """Yield what a plan names in its store, and where it keeps what it derives and builds."""
    yield store.checkpoint(plan.checkpoint.digests.combined)
    yield from (variant.folder(store) for variant in plan.variants)
    root = store.root.resolve()
    for text in _texts(to_json(plan)):
        if text.startswith(f"{root}/"):
            yield Path(text)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inside in value.values():
            yield from _texts(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from _texts(inside)


def _waiting(store: Store) -> dict[str, str]:
    """Return the variants that waiting registrations name: any text in their files that leads to one."""
    waiting: dict[str, str] = {}
    for path in pending_folder(store).glob("*.json"):
        try:
            texts = [*_texts(json.loads(path.read_bytes()))]
        except ValueError:  # damaged: it may name any of them
            texts = [str(folder) for folder in store.variants.glob("[!.]*")]
        for text in texts:
            parts = Path(text).parts if "/" in text else ()
            if store.variants.name in parts[:-1]:
                name = parts[parts.index(store.variants.name) + 1]
                waiting[name] = f"its registration waits ({path.name})"
    return waiting


def _registered(
    store: Store, tracking: Tracking, open_reader: OpenReader, plans: tuple[BuildPlan, ...]
) -> _HeldVersions:
    receipts = tuple(_receipts(store))
    here = f"--{tracking.key}.json"
    versions = {
        name: {Path(receipt.location).name: f"a receipt of {receipt.uri} names it"}
        for name, receipt in receipts
        if receipt.version is not None
    }
    elsewhere = _merged(named for name, named in versions.items() if not name.endswith(here))
    models = {receipt.model for name, receipt in receipts if name.endswith(here)}
    models |= {plan.checkpoint.name for plan in plans} | set(_built_models(store))
    try:
        with open_reader(tracking) as reader:
            held, champions = _versions(reader, models)
    except NotFoundError:  # nothing was registered here, or the database was moved away
        return _HeldVersions(
            variants=_merged(versions.values()), champions=frozenset(), unasked=None
        )
    except QuantgateError as error:
        return _HeldVersions(variants=elsewhere, champions=frozenset(), unasked=error.what)
    return _HeldVersions(variants={**elsewhere, **held}, champions=champions, unasked=None)


def _merged(named: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: reason for each in named for name, reason in each.items()}


def _receipts(store: Store) -> Iterator[tuple[str, Receipt]]:
    for path in sorted(store.receipts().glob("*.json")):
        with suppress(InputError):  # an unreadable receipt is none, to whoever registers as well
            yield path.name, read_checked(Receipt, path)


def _built_models(store: Store) -> Iterator[str]:
    """Yield the models that variants of a store were built of; their plans may be gone."""
    for path in store.variants.glob(f"[!.]*/{MANIFEST}"):
        with suppress(InputError):
            plan = read_manifest(path.parent, VariantRecord).record.plan
            yield plan.identifier.removesuffix(f"--{plan.recipe.name}")


def _versions(reader: RegistryReader, models: set[str]) -> tuple[dict[str, str], frozenset[str]]:
    """Return every registered folder's name with the version that names it, and those of champions."""
    registered: dict[str, str] = {}
    champions: set[str] = set()
    for model in sorted(models):
        pointed = set((reader.aliases(model) or {}).values())
        for version in reader.versions(VersionQuery(model=model, wanted=("location",))):
            name = Path(version.tags.get("location", "")).name
            registered[name] = f"{model}/{version.number} is registered"
            if version.number in pointed:
                champions.add(name)
    return registered, frozenset(champions)
