"""The corpora of a build: assembled, checked against the suite, and which recipe is built on which."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from quantgate.calibration.checks.preflight import Preflight, preflight_corpus
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.flows.build.corpora.sources import corpus_resources, spoken
from quantgate.flows.build.preflight.prompts import PlanningInputs, rendered_suite
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.verdicts.waiver import ContaminationWaiver
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.pipelines.specs.corpora_axis import NO_CORPUS, over_corpora, split_corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporaSpecs:
    """The corpus specs that a build names, by the names of its corpora; None stands for doing without.

    `waivers` let contaminated items stand, where they hold.
    """

    by_name: Mapping[str, CorpusSpec | None]
    waivers: tuple[ContaminationWaiver, ...]

    @property
    def traffic(self) -> tuple[Path, ...]:
        """Files of JSON lines that corpora draw from, each once."""
        sources = [source for spec in self.by_name.values() if spec for source in spec.sources]
        paths = [source.path.absolute() for source in sources if source.path]
        return tuple(dict.fromkeys(path for path in paths if path.suffix == ".jsonl"))

    def recipes(self, recipes: Sequence[Recipe], say: Callable[[str], None]) -> tuple[Recipe, ...]:
        """Return recipes once for each corpus; says which cannot do without one."""
        placed, left_out = over_corpora(recipes, tuple(self.by_name))
        for sentence in left_out:
            say(sentence)
        return tuple(placing.recipe for placing in placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCorpora:
    """The corpora of a build, in its order, and the waivers without which one would have been refused."""

    corpora: tuple[Corpus, ...]
    waivers: tuple[ContaminationWaiver, ...]

    def of(self, recipe: Recipe) -> Corpus | None:
        """Return the corpus that a recipe is calibrated on, if it is calibrated at all."""
        _, name = split_corpus(recipe.name)
        if name is None:
            return next(iter(self.corpora), None)
        return next((corpus for corpus in self.corpora if corpus.name == name), None)


def corpora_specs(spec: BuildSpec) -> CorporaSpecs:
    """Read the corpus specs of a build.

    Raises:
        InputError: with every problem of a file, or where two corpora have one name.
    """
    by_name: dict[str, CorpusSpec | None] = {}
    for path in spec.corpora:
        corpus = load_corpus_spec(path) if isinstance(path, Path) else None
        name = corpus.name if corpus else NO_CORPUS
        if name in by_name:
            raise InputError(
                f"two corpora of this build are called '{name}'",
                where=str(path or "corpora"),
                next_step="give every spec a name of its own",
            )
        by_name[name] = corpus
    waivers = tuple(spec.contamination_waivers)
    return CorporaSpecs(by_name=MappingProxyType(by_name), waivers=waivers)


def assemble(
    specs: CorporaSpecs,
    inputs: PlanningInputs,
    recipes: Sequence[Recipe],
    say: Callable[[str], None],
) -> BuildCorpora:
    """Build every corpus that is not built yet, and hold it against the suite.

    Raises:
        InputError, ServiceError, WorkerError, ToolchainError: from sources, redaction and checks.
    """
    suite, checkpoint, settings = inputs.suite, inputs.checkpoint, inputs.settings
    corpora: list[Corpus] = []
    waivers: list[ContaminationWaiver] = []
    for name, spec in specs.by_name.items():
        if spec is None:
            continue
        say(f"assembling corpus {name}")
        resources = corpus_resources(settings, inputs.run_worker, spoken(say))
        corpus = build_corpus(spec, settings.store, resources)
        flight = Preflight(
            corpus=corpus,
            suite=suite,
            checkpoint=checkpoint,
            recipes=tuple(r for r in recipes if split_corpus(r.name)[1] in (None, name)),
            waivers=specs.waivers,
            store=settings.store,
            threads=settings.threads,
            chat=lambda: rendered_suite(suite, checkpoint).chat,
            today=datetime.now(UTC).date(),
        )
        waivers += preflight_corpus(flight, say)
        corpora.append(corpus)
    return BuildCorpora(corpora=tuple(corpora), waivers=tuple(dict.fromkeys(waivers)))
