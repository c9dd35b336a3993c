"""`quantgate corpus check`: what is wrong with a corpus, printed."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.checks.check import AskedModel, check_corpus
from quantgate.flows.cli.corpus.corpora import find_or_build
from quantgate.flows.cli.options import refuse_idle
from quantgate.flows.cli.views.corpus_check import corpus_check_blocks
from quantgate.flows.cli.views.findings import print_report_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import table_reader, tools_to_look
from quantgate.pipelines.authoring.lm_eval import suite_folder
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.suites.load import load_suite


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusCheckOptions:
    """The command line of `quantgate corpus check`."""

    corpus: str
    suite: Path
    model: str | None = None
    recipes: str | None = None
    as_json: bool = False


def check_command(options: CorpusCheckOptions) -> int:
    """Print what is wrong with a corpus for a suite; 0 fine, 2 problems.

    Raises:
        InputError, NotFoundError: where corpus, suite, model or recipes cannot be used.
        ServiceError, WorkerError, ToolchainError: from building the corpus of a spec, or from the hub.
    """
    if not options.model:
        refuse_idle(
            "corpus check",
            {"--recipes": options.recipes},
            because="what recipes take of a corpus is counted in a model's tokens",
            next_step="add --model MODEL, or leave it out",
        )
    settings = Settings.from_environment()
    folder = suite_folder(options.suite, settings.store, run_worker)
    suite = load_suite(folder, table_reader(settings))
    corpus = find_or_build(options.corpus, settings)
    asked = None
    if options.model:
        asked = AskedModel(
            source=options.model,
            recipes=_names(options.recipes),
            hub=settings.hub,
            tools=tools_to_look(settings),
        )
    report = check_corpus(
        corpus, suite, store=settings.store, threads=settings.threads, model=asked
    )
    if options.as_json:
        print_report_json(report)
    else:
        show(corpus_check_blocks(report))
    return report.exit_code


def _names(recipes: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in recipes.split(",") if name.strip()) if recipes else ()
