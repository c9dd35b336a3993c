"""Data cards: counts by hand, and a page a reviewer can read."""

from pathlib import Path

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.card import Spread, length_counts, spread
from quantgate.calibration.shelf.card_page import card_page
from quantgate.calibration.shelf.sealing import read_card
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.files.store import Store
from tests.support.corpora import chat_row, spec_of, write_rows


def test_percentiles_are_values_of_the_sequences() -> None:
    numbers = list(range(1, 101))
    assert spread(numbers) == Spread(
        smallest=1, median=50, percentile_95=95, largest=100, total=5050
    )
    assert spread([7]) == Spread(smallest=7, median=7, percentile_95=7, largest=7, total=7)
    assert spread([]) == Spread(smallest=0, median=0, percentile_95=0, largest=0, total=0)


def test_lengths_are_counted_from_a_bound_to_below_the_next() -> None:
    sequences = [CorpusSequence(id="", text="x" * n) for n in (1, 99, 100, 299, 300, 40_000)]
    assert length_counts(sequences) == {"0-100": 2, "100-300": 2, "300-1000": 1, "30000-": 1}


def test_a_card_counts_by_source_language_domain_and_licence(tmp_path: Path, store: Store) -> None:
    write_rows(tmp_path / "a.jsonl", [chat_row(n, f"Bonjour {n}", language="fr") for n in range(4)])
    write_rows(tmp_path / "b.jsonl", [{"text": "Hello you"}, {"text": "Hello you"}, {"text": ""}])
    spec = spec_of(
        tmp_path,
        "licence: CC0\nsequences: 5\nsources:\n  - {path: a.jsonl, licence: MIT, domain: chat}\n"
        "  - {path: b.jsonl, language: en}\n",
    )
    card = read_card(build_corpus(spec, store))
    assert card is not None
    assert (card.languages, card.domains) == ({"fr": 4, "en": 1}, {"chat": 4, "unsaid": 1})
    assert card.licences == {"MIT": 4, "CC0": 1}
    assert (card.rows, card.dropped, card.duplicates, card.left_over) == (7, {"empty": 1}, 1, 0)
    assert [(one.name, one.rows, one.sequences, one.dropped) for one in card.sources] == [
        ("a.jsonl", 4, 4, {}),
        ("b.jsonl", 3, 1, {"empty": 1}),
    ]
    page = card_page(card)
    assert "| a.jsonl | MIT | 4 | 0 | 4 | 1 file(s) |" in page
    assert "Nobody looked for any" in page


def test_names_cannot_break_the_pages_tables(tmp_path: Path, store: Store) -> None:
    write_rows(tmp_path / "a.jsonl", [{"text": "Hello you", "domain": "a|b\nc"}])
    spec = spec_of(tmp_path, "sequences: 1\nsources: [{path: a.jsonl}]\n")
    card = read_card(build_corpus(spec, store))
    assert card is not None
    assert "| a\\|b c | 1 | 100.0% |" in card_page(card)
