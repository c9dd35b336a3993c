"""What an entry of the releases file asks for: recipes, suite, corpus, policy, and other options."""

import glob
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from quantgate.calibration.drift.sealing import sealed_events
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.releases.sources import Hub, lying_still
from quantgate.flows.releases.watch_list import Followed
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader
from quantgate.pipelines.authoring.lm_eval import PREFIX
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.files.hashing import DigestMemory
from quantgate.pipelines.files.records import record_digest
from quantgate.pipelines.hub.picked import matching, parse_hub_pattern
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.foreign import HUB
from quantgate.pipelines.specs.loading import load_yaml
from quantgate.pipelines.specs.policies import PolicySpec, load_policy
from quantgate.pipelines.specs.recipes import catalogue, find_recipes
from quantgate.pipelines.suites.load import load_suite


def spec_of(followed: Followed, model: str) -> BuildSpec:
    """Return what is built of a followed source: `model` is its folder, or `org/name@<commit>`."""
    overrides = BuildOverrides(
        name=followed.name,
        model=model,
        suite=followed.suite,
        corpora=(followed.corpus,) if followed.corpus else (),
        policy=followed.policy,
        recipes=followed.recipes,
        foreign=followed.foreign,
    )
    return load_build(
        followed.build, overrides, default_recipes=tuple(recipe.name for recipe in catalogue())
    )


def asked_parts(followed: Followed, settings: Settings, hub: Hub) -> Mapping[str, Digest]:
    """Return the digests of what an entry asks for, by name (`contents.PARTS`).

    Files are read for what they mean: a comment changes nothing. Of a corpus that is its spec, its local
    sources and the drift that was found of it. A task of lm-evaluation-harness is known by its name, quants
    of others by what their places hold just now.

    Raises:
        InputError: where a file has problems.
        ServiceError: a hub that quants of others are looked for at does not answer; or (transient) somebody
            is writing files that it names.
    """
    spec = spec_of(followed, "model")
    with lying_still(spec.folder):
        return _parts(spec, settings, hub)


def _parts(spec: BuildSpec, settings: Settings, hub: Hub) -> Mapping[str, Digest]:
    suite = _suite(spec.suite, settings)
    policy = load_policy(spec.policy, suite) if suite is not None else _policy(spec.policy)
    return {
        "recipes": digest_of(
            [record_digest(recipe) for recipe in find_recipes(spec.recipes, spec.folder)]
        ),
        "suite": _suite_digest(suite) if suite is not None else digest_of(str(spec.suite)),
        "corpus": digest_of(
            [_corpus(path, settings) if path is not None else None for path in spec.corpora]
        ),
        "policy": record_digest(policy),
        "options": _options(spec),
        **_quants_of_others(spec, settings, hub),
    }


def _suite(folder: Path, settings: Settings) -> Suite | None:
    """Read a suite; None for a task that would have to be imported first."""
    if folder.name.startswith(PREFIX):
        return None
    return load_suite(folder, table_reader(settings))


def _policy(path: Path | None) -> Policy:
    """Read the policy for a suite that would have to be imported first."""
    return (load_yaml(path, PolicySpec) if path is not None else PolicySpec()).policy()


def _suite_digest(suite: Suite) -> Digest:
    decisions: list[JsonValue] = [record_digest(decision) for decision in suite.adjudications]
    anchors: list[JsonValue] = [record_digest(anchor) for anchor in suite.anchors]
    return digest_of([suite.digest, decisions, anchors])


def _corpus(path: Path, settings: Settings) -> JsonValue:
    """Return a spec's digest beside those of the local files that it names, however it names them."""
    spec = load_corpus_spec(path)
    memory = DigestMemory(settings.store.digest_memory)
    files: list[JsonValue] = [
        [Path(name).name, memory.digest(Path(name))]
        for source in spec.sources
        if source.path is not None
        for name in sorted(glob.glob(str(source.path)))  # noqa: PTH207 - it is absolute
        if Path(name).is_file()
    ]
    here = str(spec.folder)
    sources = tuple(
        replace(source, path=Path(str(source.path).removeprefix(here)) if source.path else None)
        for source in spec.sources
    )
    drifts = [e.id for e in sealed_events(settings.store) if e.corpus_name == spec.name]
    return [record_digest(replace(spec, sources=sources, folder=Path())), files, *drifts]


def _quants_of_others(spec: BuildSpec, settings: Settings, hub: Hub) -> dict[str, Digest]:
    """Return the digest of all that the places of others' quants hold; nothing where none is named."""
    if not spec.foreign:
        return {}
    held = [_place(place.text, settings, hub) for place in spec.foreign]
    return {"quants of others": digest_of(held)}


def _place(text: str, settings: Settings, hub: Hub) -> JsonValue:
    if text.startswith(HUB):
        place = parse_hub_pattern(text, example="*.gguf")
        source = place.source
        pinned = source if source.is_pinned else replace(source, revision=hub.revision(source))
        listing = hub.listing(pinned)
        files = matching(listing, place.pattern) if place.pattern else listing.files
        return [source.repository, [[file.name, file.checksum] for file in files]]
    memory = DigestMemory(settings.store.digest_memory)
    paths = [Path(name) for name in sorted(glob.glob(text))]  # noqa: PTH207 - it is absolute
    inside = [file for path in paths if path.is_dir() for file in sorted(path.iterdir())]
    return [[file.name, memory.digest(file)] for file in (*paths, *inside) if file.is_file()]


def _options(spec: BuildSpec) -> Digest:
    """Return the digest of all else that a build file says; where it lies is not part of it."""
    rest = replace(
        spec, model="", suite=Path(), policy=None, recipes=(), corpora=(), folder=Path(), foreign=()
    )
    foreign: list[JsonValue] = [
        [place.text.removeprefix(str(spec.folder)), place.name, place.template]
        for place in spec.foreign
    ]
    return digest_of([record_digest(rest), *foreign])
