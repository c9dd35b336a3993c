"""`quantgate corpus list` and `show`: what is sealed, and what its card says."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from quantgate.calibration.shelf.model_tokens import ModelTokens, counted_tokens
from quantgate.calibration.shelf.sealing import (
    CorpusRecord,
    corpus_record,
    open_corpus,
    read_card,
    sealed_versions,
)
from quantgate.flows.build.corpora.finding import find_corpus
from quantgate.flows.cli.views.corpus import card_sections, list_sections
from quantgate.flows.cli.views.printing import print_json
from quantgate.flows.cli.views.rendering import show
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.files.sealed import read_manifest


def list_command(*, as_json: bool) -> int:
    """Print every sealed version in the store and whether it is sound."""
    versions = [
        (record, _state(folder)) for folder, record in _all_records(Settings.from_environment())
    ]
    if as_json:
        print_json({"corpora": [{**asdict(record), "state": state} for record, state in versions]})
    else:
        show(list_sections(versions))
    return 0


def show_command(reference: str, *, as_json: bool) -> int:
    """Print a corpus's card."""
    corpus = find_corpus(reference, Settings.from_environment())
    tokens = tuple(counted_tokens(corpus))
    if as_json:
        print_json(card_json(corpus, tokens))
    else:
        show(card_sections(corpus, corpus_record(corpus), read_card(corpus), tokens))
    return 0


def card_json(corpus: Corpus, tokens: Sequence[ModelTokens]) -> JsonValue:
    """Return a corpus as `--json` prints it: its record, its card, and its tokens as models count them."""
    card = read_card(corpus)
    return {
        "corpus": corpus.label,
        "folder": str(corpus.folder),
        "record": to_json(corpus_record(corpus)),
        "card": to_json(card) if card else None,
        "tokens": [to_json(counts) for counts in tokens],
    }


def _all_records(settings: Settings) -> Iterator[tuple[Path, CorpusRecord]]:
    root = settings.store.root / "corpora"
    corpora = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    for corpus in corpora:
        for version in sealed_versions(corpus):
            folder = corpus / str(version)
            try:
                yield folder, read_manifest(folder, CorpusRecord).record
            except InputError as error:  # one damaged version does not hide the others
                print(f"left out: {error}", file=sys.stderr)


def _state(folder: Path) -> str:
    """Say whether a sealed version is as it was sealed."""
    try:
        open_corpus(folder)
    except InputError as error:
        return f"ALTERED: {error.what}"
    return "sound"
