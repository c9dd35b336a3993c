"""A build's site with the real tools on a smaller copy of the example, for tests that audit variants."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import OnProgress, ignore_progress
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.foreign import ForeignPlace
from tests.support.builds.road import make_road


@contextmanager
def silent(_step: str, _identifier: str) -> Iterator[OnProgress]:
    """Show nothing."""
    yield ignore_progress


def make_site(
    folder: Path,
    recipes: tuple[str, ...],
    *,
    store: Path | None = None,
    model: Path | None = None,
    corpus: Path | None = None,
    foreign: tuple[Path, ...] = (),
) -> LocalBuild:
    """Return a planned build of recipes, three items a slice, answered once by the base.

    `model` and `corpus` replace the example's, `foreign` are quants that others made; a shared `store` spares
    what others have done already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    road = make_road(folder, recipes, items_a_slice=3)
    (folder / "policy.yaml").write_text("reference_runs: 1\n")
    settings = replace(
        Settings.from_environment(), store=Store(root=store or road.store), threads=1, workers=1
    )
    tools = wire(settings)
    overrides = BuildOverrides(
        model=str(model) if model else None,
        corpora=(corpus,) if corpus else (),
        foreign=tuple(ForeignPlace(text=str(place)) for place in foreign),
    )
    spec = load_build(folder / "build.yaml", overrides, ())
    # Three items a slice prove nothing: the audits are what is looked at.
    plan = make_plan(replace(spec, anyway=True), settings, tools, lambda _: None)
    return LocalBuild(plan=plan, settings=settings, tools=tools, show=silent)
