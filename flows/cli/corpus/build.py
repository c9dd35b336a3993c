"""`quantgate corpus build`: a corpus, sealed, and its card, printed."""

from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.shelf.model_tokens import count_tokens
from quantgate.calibration.shelf.sealing import corpus_record, read_card
from quantgate.flows.build.corpora.recording import record_in_registry
from quantgate.flows.build.corpora.sources import chat_of
from quantgate.flows.build.planning.preparing import prepare
from quantgate.flows.cli.corpus.corpora import build_from_spec
from quantgate.flows.cli.corpus.show import card_json
from quantgate.flows.cli.views.corpus import card_sections
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusBuildOptions:
    """The command line of `quantgate corpus build`."""

    spec: Path
    model: str | None = None
    record: bool = False
    as_json: bool = False


def build_command(options: CorpusBuildOptions) -> int:
    """Seal a corpus and print its card."""
    settings = Settings.from_environment()
    prepare(settings.store)
    corpus = build_from_spec(options.spec, settings)
    tokens = []
    if options.model:
        tokens.append(count_tokens(corpus, options.model, chat_of(options.model, settings)))
    if options.record:
        record_in_registry(corpus, settings)
    record, card = corpus_record(corpus), read_card(corpus)
    if options.as_json:
        print_json(card_json(corpus, tokens))
    else:
        show(card_sections(corpus, record, card, tokens))
    return 0
