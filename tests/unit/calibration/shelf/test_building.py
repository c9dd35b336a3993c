"""Building corpora: the same bytes whatever the cuts, the order and the hands; filters, mixes, versions."""

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.calibration.resources import BuildResources
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.card import CARD, CARD_PAGE
from quantgate.calibration.shelf.sealing import (
    corpus_record,
    open_corpus,
    read_card,
    read_sequences,
)
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError, ToolchainError, WorkerError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import Progress
from tests.support.children.in_process import InProcess
from tests.support.corpora import SAID, chat_row, chat_rows, spec_of, write_rows
from tests.unit.calibration.redaction.test_redaction import Finder

PLAIN = "sequences: 40\nsources: [{path: a.jsonl}, {path: b.jsonl}]\n"
MIXED = (
    PLAIN
    + "mix:\n  language: {en: 2, de: 1, fr: 1}\n  domain: {returns: 1, billing: 3}\n"
    + "  length: {0-200: 1, 200-: 1}\n  shortfall: spread\n"
)


def place(store: Store, part_bytes: int, processes: int = 2) -> BuildResources:
    return BuildResources(
        store=store,
        run_worker=InProcess(),
        processes=processes,
        part_bytes=part_bytes,
        in_process_bytes=0,
    )


def sealed_bytes(corpus: Corpus) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(corpus.folder.iterdir())}


def two_files(folder: Path) -> list[dict[str, object]]:
    rows = chat_rows(400)
    write_rows(folder / "a.jsonl", rows[:250])
    write_rows(folder / "b.jsonl", rows[250:])
    return rows  # type: ignore[return-value]  # JSON objects


def fresh(store: Store, name: object) -> Store:
    return Store(root=store.root / str(name))


@pytest.mark.parametrize("text", [PLAIN, MIXED])
def test_the_same_bytes_however_sources_are_cut_and_by_how_many(
    tmp_path: Path, store: Store, text: str
) -> None:
    two_files(tmp_path)
    spec = spec_of(tmp_path, text)
    whole = sealed_bytes(build_corpus(spec, fresh(store, "whole")))
    for part_bytes, processes in ((7_777, 1), (30_000, 3), (1 << 20, 2)):
        here = fresh(store, part_bytes)
        cut = build_corpus(spec, here, place(here, part_bytes, processes))
        assert sealed_bytes(cut) == whole, part_bytes


@pytest.mark.parametrize("text", [PLAIN, MIXED])
def test_the_order_of_sources_in_the_spec_changes_no_byte(
    tmp_path: Path, store: Store, text: str
) -> None:
    two_files(tmp_path)
    spec = spec_of(tmp_path, text)
    turned = replace(spec, sources=spec.sources[::-1])
    one = build_corpus(spec, fresh(store, 1))
    other = build_corpus(turned, fresh(store, 2))
    assert sealed_bytes(one) == sealed_bytes(other)


def test_the_order_of_rows_changes_no_sequence(tmp_path: Path, store: Store) -> None:
    rows = two_files(tmp_path)
    spec = spec_of(tmp_path, MIXED)
    first = build_corpus(spec, fresh(store, 1))
    random.Random(1).shuffle(rows)
    write_rows(tmp_path / "a.jsonl", rows[:100])  # type: ignore[arg-type]
    write_rows(tmp_path / "b.jsonl", rows[100:])  # type: ignore[arg-type]
    assert build_corpus(spec, fresh(store, 2)).digest == first.digest


def test_the_same_bytes_whatever_hash_seed_and_locale(tmp_path: Path) -> None:
    named = [row | {"language": "en"} for row in chat_rows(200)]
    write_rows(tmp_path / "a.jsonl", named)
    write_rows(tmp_path / "b.jsonl", chat_rows(50, seed=2))
    spec_of(tmp_path, PLAIN.replace("b.jsonl", "b.jsonl, language: de"))
    program = (
        "import sys, hashlib; from pathlib import Path\n"
        "from quantgate.calibration.specs.corpus_file import load_corpus_spec\n"
        "from quantgate.calibration.shelf.assemble import build_corpus\n"
        "from quantgate.pipelines.files.store import Store\n"
        "c = build_corpus(load_corpus_spec(Path(sys.argv[1])), Store(root=Path(sys.argv[2])))\n"
        "files = sorted(c.folder.iterdir())\n"
        "print(hashlib.sha256(b''.join(f.read_bytes() for f in files)).hexdigest())\n"
    )
    found = set()
    for seed, locale, zone in (("1", "C", "UTC"), ("2", "C.UTF-8", "Asia/Tokyo")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
        command = [
            sys.executable,
            "-c",
            program,
            str(tmp_path / "corpus.yaml"),
            str(tmp_path / seed),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_a_larger_sample_contains_a_smaller_one_and_its_mix_from_the_start(
    tmp_path: Path, store: Store
) -> None:
    two_files(tmp_path)
    spec = spec_of(tmp_path, MIXED)
    few = read_sequences(build_corpus(replace(spec, sequences=20), store))
    many = read_sequences(build_corpus(replace(spec, sequences=60), store))
    assert many[:20] == few
    assert Counter(one.language for one in few) == {"en": 10, "de": 5, "fr": 5}
    assert Counter(one.domain for one in few) == {"returns": 5, "billing": 15}


def test_the_card_says_how_many_rows_of_each_value_the_sources_had(
    tmp_path: Path, store: Store
) -> None:
    rows = chat_rows(300)
    write_rows(tmp_path / "a.jsonl", rows)
    text = "sequences: 40\nsources: [{path: a.jsonl}]\nmix: {domain: {returns: 1, other: 1}}\n"
    card = read_card(build_corpus(spec_of(tmp_path, text), store, place(store, 5000)))
    assert card is not None
    returns = sum(row["domain"] == "returns" for row in rows)
    found = {row.value: (row.sequences, row.available) for row in card.mix}
    assert found == {"returns": (20, returns), "other": (20, 300 - returns)}


def test_weights_of_sources_are_shares_of_the_sequences(tmp_path: Path, store: Store) -> None:
    two_files(tmp_path)
    text = "sequences: 40\nsources: [{path: a.jsonl, weight: 3}, {path: b.jsonl, weight: 1}]\n"
    corpus = build_corpus(spec_of(tmp_path, text), store)
    sources = Counter(sequence.source for sequence in read_sequences(corpus))
    assert sources == {"a.jsonl": 30, "b.jsonl": 10}


def test_a_mix_that_the_sources_lack_is_refused_or_spread(tmp_path: Path, store: Store) -> None:
    rows = chat_rows(80, languages=["en"]) + chat_rows(5, seed=1, languages=["de"])
    write_rows(tmp_path / "a.jsonl", rows)
    text = "sequences: 40\nsources: [{path: a.jsonl}]\nmix: {language: {en: 1, de: 1}"
    with pytest.raises(InputError, match=r"language 'de' is to have 20 and has 5"):
        build_corpus(spec_of(tmp_path, text + "}\n"), store)
    corpus = build_corpus(spec_of(tmp_path, text + ", shortfall: spread}\n"), store)
    languages = Counter(sequence.language for sequence in read_sequences(corpus))
    assert languages == {"en": 35, "de": 5}


def test_what_the_mix_does_not_name_is_left_out_unless_it_says_other(
    tmp_path: Path, store: Store
) -> None:
    two_files(tmp_path)
    german = spec_of(tmp_path, PLAIN + "mix: {language: {de: 1}}\n")
    assert {s.language for s in read_sequences(build_corpus(german, store))} == {"de"}
    card = read_card(build_corpus(german, store))
    assert card is not None
    assert card.dropped["not_in_mix"] > 0
    other = spec_of(tmp_path, PLAIN + "mix: {language: {de: 1, other: 1}}\n")
    counts = Counter(s.language for s in read_sequences(build_corpus(other, store)))
    assert counts["de"] == 20
    assert set(counts) == {"de", "en", "fr"}


def test_a_row_that_two_cells_hold_is_drawn_once(tmp_path: Path, store: Store) -> None:
    rows = [chat_row(n, f"{SAID['en']} {n}") for n in range(30)]
    write_rows(tmp_path / "a.jsonl", rows)
    write_rows(tmp_path / "b.jsonl", rows)
    text = "sequences: 30\nsources: [{path: a.jsonl, weight: 1}, {path: b.jsonl, weight: 1}]\n"
    corpus = build_corpus(spec_of(tmp_path, text), store)
    texts = {sequence.messages[0].content for sequence in read_sequences(corpus)}
    assert len(texts) == 30
    card = read_card(corpus)
    assert card is not None
    assert (card.rows, card.duplicates, card.left_over) == (60, 30, 0)


def test_a_cell_of_which_a_scan_kept_too_little_is_scanned_again(
    tmp_path: Path, store: Store
) -> None:
    """Nearly all rows of one domain are in one language: product shares expect far fewer of them."""
    rows = [chat_row(n, f"{SAID['en']} {n}", domain="a", language="en") for n in range(600)]
    rows += [chat_row(n, f"{SAID['de']} {n}", domain="b", language="de") for n in range(600, 1200)]
    write_rows(tmp_path / "a.jsonl", rows)
    text = "sequences: 1000\nsources: [{path: a.jsonl}]\n" + (
        "mix: {language: {en: 1, de: 1}, domain: {a: 1, b: 9}, shortfall: spread}\n"
    )
    workers = InProcess()
    here = BuildResources(store=store, run_worker=workers, in_process_bytes=0)
    corpus = build_corpus(spec_of(tmp_path, text), store, here)
    assert Counter(s.domain for s in read_sequences(corpus)) == {"a": 400, "b": 600}
    factors = {call.factor for call in workers.calls if hasattr(call, "factor")}
    assert factors == {1, 4}


@pytest.mark.parametrize(
    ("filters", "reason", "kept"),
    [
        ("min_characters: 60", "too_short", {"long"}),
        ("max_characters: 60", "too_long", {"short", "tiny"}),
        ("min_messages: 2", "too_few_messages", {"short", "long"}),
        ("max_messages: 1", "too_many_messages", {"tiny"}),
        ("include: 'Lore[m]'", "not_included", {"long"}),
        ("exclude: ['Lorem', 'nothing']", "excluded", {"short", "tiny"}),
        ("languages: de", "language", {"long"}),
    ],
)
def test_filters_leave_rows_out_and_the_card_says_why(
    tmp_path: Path, store: Store, filters: str, reason: str, kept: set[str]
) -> None:
    german = f"{SAID['de']} Lorem {SAID['de']}"
    rows: list[JsonObject] = [
        chat_row(0, "Could you tell me the time?") | {"id": "short"},
        chat_row(1, german) | {"id": "long"},
        {"id": "tiny", "messages": [{"role": "user", "content": "Hello there, my dear"}]},
    ]
    write_rows(tmp_path / "a.jsonl", rows)
    text = f"sequences: {len(kept)}\nsources: [{{path: a.jsonl}}]\nfilters: {{{filters}}}\n"
    corpus = build_corpus(spec_of(tmp_path, text), store)
    assert {sequence.id for sequence in read_sequences(corpus)} == kept
    card = read_card(corpus)
    assert card is not None
    assert card.dropped == {reason: 3 - len(kept)}


def test_messages_of_other_roles_are_taken_out(tmp_path: Path, store: Store) -> None:
    asked: JsonObject = {"id": "asked", "messages": [{"role": "user", "content": "Hello there"}]}
    write_rows(tmp_path / "a.jsonl", [chat_row(0, "Could you tell me the time?"), asked])
    text = "sequences: 1\nsources: [{path: a.jsonl}]\nfilters: {roles: [assistant]}\n"
    corpus = build_corpus(spec_of(tmp_path, text), store)
    assert [message.content for message in read_sequences(corpus)[0].messages] == ["Soon."]
    card = read_card(corpus)
    assert card is not None
    assert card.dropped == {"roles": 1}


def test_tokens_end_the_sample_where_the_tokenizer_says(tmp_path: Path, store: Store) -> None:
    from tests.support.fakes import write_tokenizer

    two_files(tmp_path)
    model = tmp_path / "model"
    model.mkdir()
    write_tokenizer(model)
    text = "tokens: 900\ntokenizer: model\nsources: [{path: a.jsonl}, {path: b.jsonl}]\n"
    corpus = build_corpus(spec_of(tmp_path, text), store)
    card = read_card(corpus)
    assert card is not None and card.tokens is not None
    total, last = card.tokens.tokens.total, card.tokens.tokens.largest
    assert 900 <= total < 900 + last
    both = build_corpus(spec_of(tmp_path, text + "sequences: 3\n"), store)
    assert both.sequence_count == 3
    with pytest.raises(InputError, match=r"tokens are asked for and the sources hold \d+"):
        build_corpus(spec_of(tmp_path, text.replace("900", "9000000")), store)


def test_the_card_says_what_became_of_every_row(tmp_path: Path, store: Store) -> None:
    two_files(tmp_path)
    corpus = build_corpus(spec_of(tmp_path, PLAIN), store)
    card = read_card(corpus)
    assert card is not None
    assert card.rows == 400 == sum(one.rows for one in card.sources)
    assert card.duplicates == 40
    assert card.rows == card.duplicates + card.left_over + card.sequences
    assert sum(card.languages.values()) == sum(card.lengths.values()) == 40
    assert card.digest == corpus.digest
    page = (corpus.folder / CARD_PAGE).read_text()
    assert "| left out: equal to another | 40 |" in page
    assert str(tmp_path) not in page + (corpus.folder / CARD).read_text()


def test_a_build_that_was_done_before_reads_no_source_again(tmp_path: Path, store: Store) -> None:
    two_files(tmp_path)
    spec, workers = spec_of(tmp_path, PLAIN), InProcess()
    here = BuildResources(store=store, run_worker=workers, in_process_bytes=0)
    first = build_corpus(spec, store, here)
    asked = len(workers.calls)
    assert build_corpus(spec, store, here) == first
    assert len(workers.calls) == asked
    assert not list((store.root / "unfinished").iterdir())


def test_a_changed_source_is_read_again_and_is_another_version(
    tmp_path: Path, store: Store
) -> None:
    two_files(tmp_path)
    spec = spec_of(tmp_path, PLAIN)
    build_corpus(spec, store)
    write_rows(tmp_path / "b.jsonl", chat_rows(150, seed=5))
    assert build_corpus(spec, store).version == 2


def test_finished_parts_of_a_build_that_was_cut_off_are_not_scanned_again(
    tmp_path: Path, store: Store
) -> None:
    two_files(tmp_path)
    spec, workers = spec_of(tmp_path, PLAIN), _Stumbling(after=5)
    here = replace(place(store, 4000, 1), run_worker=workers)
    with pytest.raises(WorkerError):
        build_corpus(spec, store, here)
    workers.after = None
    corpus = build_corpus(spec, store, here)
    scans = [(c.part.source, c.part.start) for c in workers.calls if hasattr(c, "part")]
    assert len(scans) == len(set(scans)) > 6
    assert sealed_bytes(corpus) == sealed_bytes(build_corpus(spec, fresh(store, "whole")))


def test_two_builds_at_once_are_one_version(tmp_path: Path, store: Store) -> None:
    two_files(tmp_path)
    spec = spec_of(tmp_path, PLAIN)
    built: list[Corpus] = []
    threads = [
        threading.Thread(target=lambda: built.append(build_corpus(spec, store, place(store, 4000))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [corpus.version for corpus in built] == [1, 1, 1, 1]


def test_a_sealed_version_that_was_altered_is_noticed_by_the_next_build(
    tmp_path: Path, store: Store
) -> None:
    two_files(tmp_path)
    spec = spec_of(tmp_path, PLAIN)
    corpus = build_corpus(spec, store)
    card = corpus.folder / CARD
    card.write_text(card.read_text().replace('"rows": 400', '"rows": 401'))
    with pytest.raises(InputError, match="altered"):
        build_corpus(spec, store)
    with pytest.raises(InputError, match="altered"):
        open_corpus(corpus.folder)


def test_files_of_a_wildcard_are_one_source(tmp_path: Path, store: Store) -> None:
    rows = chat_rows(60)
    write_rows(tmp_path / "logs" / "1.jsonl", rows[:30])
    write_rows(tmp_path / "logs" / "2.jsonl", rows[30:])
    corpus = build_corpus(
        spec_of(tmp_path, "sequences: 40\nsources: [{path: logs/*.jsonl}]\n"), store
    )
    assert {sequence.source for sequence in read_sequences(corpus)} == {"logs/*.jsonl"}
    card = read_card(corpus)
    assert card is not None
    assert [file.label for file in card.sources[0].files] == [
        "logs/*.jsonl 1.jsonl",
        "logs/*.jsonl 2.jsonl",
    ]
    with pytest.raises(InputError, match="no file is called so"):
        build_corpus(spec_of(tmp_path, "sequences: 1\nsources: [{path: nope/*.jsonl}]\n"), store)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, store: Store) -> None:
    two_files(tmp_path)
    here = replace(place(store, 4000, 1), run_worker=_Full())
    with pytest.raises(ToolchainError, match="the disk is full"):
        build_corpus(spec_of(tmp_path, PLAIN), store, here)
    assert not list(store.root.rglob("*staging*"))
    assert not list(store.corpora("demo").glob("[0-9]*"))


def test_sources_that_are_not_here_need_somebody_to_bring_them(
    tmp_path: Path, store: Store
) -> None:
    spec = spec_of(tmp_path, "sequences: 1\nsources: [{hub: org/name@main}]\n")
    with pytest.raises(ToolchainError, match="cannot be brought here"):
        build_corpus(spec, store)


def test_a_moved_branch_is_named_with_both_commits(tmp_path: Path, store: Store) -> None:
    from quantgate.calibration.sources.local import RemoteRows

    spec = spec_of(tmp_path, "sequences: 20\nsources: [{hub: org/name@main}]\n")
    old, new = write_rows(tmp_path / "1.jsonl", chat_rows(30)), tmp_path / "2.jsonl"
    write_rows(new, chat_rows(40, seed=3))

    def build(path: Path, commit: str) -> Corpus:
        brought = BuildResources(
            store=store, fetch_remote=lambda _: RemoteRows(path=path, commit=commit)
        )
        return build_corpus(spec, store, brought)

    assert build(old, "a" * 40).version == 1
    assert build(old, "b" * 40).version == 1
    moved = build(new, "c" * 40)
    assert moved.version == 2
    record, card = corpus_record(moved), read_card(moved)
    assert [(m.before, m.now) for m in record.moved] == [("a" * 40, "c" * 40)]
    assert card is not None and card.sources[0].commit == "c" * 40


class _Stumbling(InProcess):
    """Dies after some calls."""

    def __init__(self, after: int | None) -> None:
        super().__init__()
        self.after = after

    def __call__(self, call, reply_type, on_progress):  # type: ignore[no-untyped-def]  # as its parent's
        if self.after is not None and len(self.calls) >= self.after:
            raise WorkerError("was killed by SIGKILL")
        return super().__call__(call, reply_type, on_progress)


class _Full(InProcess):
    """Has no space left."""

    def __call__(self, call, reply_type, on_progress):  # type: ignore[no-untyped-def]  # as its parent's
        raise OSError(28, "No space left on device")


class _Redacting(InProcess):
    """Also looks for addresses, as a stand-in for presidio's worker."""

    def __call__(self, call, reply_type, on_progress):  # type: ignore[no-untyped-def]  # as its parent's
        if call.module.endswith(".redact"):
            return Finder()(call, reply_type, on_progress)
        return super().__call__(call, reply_type, on_progress)


def test_rows_that_redaction_makes_equal_are_one_and_others_are_drawn_instead(
    tmp_path: Path, store: Store
) -> None:
    same = [chat_row(n, f"My address is ann{n}@mail.example, please.") for n in range(40)]
    write_rows(tmp_path / "a.jsonl", same + [chat_row(n, f"{SAID['en']} {n}") for n in range(20)])
    text = "sequences: 20\nsources: [{path: a.jsonl}]\nredaction: {mode: %s}\n"
    here = BuildResources(store=store, run_worker=_Redacting())
    corpus = build_corpus(spec_of(tmp_path, text % "enforce"), store, here)
    said = [sequence.messages[0].content for sequence in read_sequences(corpus)]
    assert len(said) == len(set(said)) == 20
    assert sum("@" in text for text in said) == 0
    card = read_card(corpus)
    assert card is not None and card.redaction is not None
    assert card.same_after_redaction > 0
    assert card.redaction.sequences == 20 + card.same_after_redaction
    assert card.left_over == 60 - 20 - card.same_after_redaction
    reported = build_corpus(spec_of(tmp_path, text % "report"), store, here)
    assert any("@" in one.messages[0].content for one in read_sequences(reported))
    assert reported.version == 2


def test_redaction_that_cannot_be_done_is_refused_before_a_row_is_read(
    tmp_path: Path, store: Store
) -> None:
    write_rows(tmp_path / "a.jsonl", chat_rows(5))
    workers = _Redacting()
    here = BuildResources(store=store, run_worker=workers, in_process_bytes=0)
    text = (
        "sequences: 2\nsources: [{path: a.jsonl}]\nredaction: {mode: report, entities: SHOE_SIZE}\n"
    )
    with pytest.raises(InputError, match="SHOE_SIZE"):
        build_corpus(spec_of(tmp_path, text), store, here)
    assert workers.calls == []


def test_progress_of_all_parts_is_one_that_rises_to_its_end(tmp_path: Path, store: Store) -> None:
    two_files(tmp_path)
    heard: list[Progress] = []
    here = replace(place(store, 20_000, 2), on_progress=heard.append)
    build_corpus(spec_of(tmp_path, PLAIN), store, here)
    reading = [one for one in heard if one.what == "reading sources"]
    size = sum((tmp_path / name).stat().st_size for name in ("a.jsonl", "b.jsonl"))
    assert {one.total for one in reading} == {reading[0].total}
    assert size <= reading[0].total <= size + 20
    assert [one.done for one in reading] == sorted(one.done for one in reading)
    assert reading[-1].done == reading[-1].total
