import json
from pathlib import Path

import pytest

from quantgate.calibration.checks.contamination import contaminations
from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.sealing import open_corpus, read_sequences
from quantgate.calibration.specs.corpus import CorpusSpec, SourceSpec
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.files.store import Store
from tests.support.corpora import sample


def traffic(folder: Path, texts: list[str], name: str = "traffic.jsonl") -> Path:
    path = folder / name
    rows = [
        {"id": f"t{n}", "messages": [{"role": "user", "content": t}]} for n, t in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def spec(*sources: Path, sequences: int = 2, seed: int = 0, description: str = "") -> CorpusSpec:
    return CorpusSpec(
        name="demo",
        description=description,
        licence="",
        sources=tuple(SourceSpec(name=path.name, path=path) for path in sources),
        sequences=sequences,
        seed=seed,
    )


def test_the_same_spec_is_the_same_version_and_the_same_digest(
    tmp_path: Path, store: Store
) -> None:
    source = traffic(tmp_path, ["a", "b", "c"])
    first, second = build_corpus(spec(source), store), build_corpus(spec(source), store)
    assert first == second
    assert first.label == "demo@1"


def test_the_version_rises_only_when_the_content_changes(tmp_path: Path, store: Store) -> None:
    source = traffic(tmp_path, ["a", "b", "c"])
    build_corpus(spec(source), store)
    assert build_corpus(spec(source, description="other words"), store).version == 1
    assert build_corpus(spec(source, sequences=3), store).version == 2
    assert build_corpus(spec(source), store).version == 1


def test_the_choice_does_not_depend_on_the_order_of_rows_or_files(tmp_path: Path) -> None:
    a, b = traffic(tmp_path, ["a", "b"], "1.jsonl"), traffic(tmp_path, ["c", "d"], "2.jsonl")
    turned = traffic(tmp_path, ["d", "c", "b", "a"], "3.jsonl")
    assert sample(spec(a, b)).digest == sample(spec(b, a)).digest == sample(spec(turned)).digest


def test_another_seed_chooses_others_and_a_larger_number_keeps_what_was_chosen(
    tmp_path: Path,
) -> None:
    source = traffic(tmp_path, [str(n) for n in range(50)])
    few, many = sample(spec(source, sequences=5)), sample(spec(source, sequences=9))
    assert many.sequences[:5] == few.sequences
    assert sample(spec(source, sequences=5, seed=1)).digest != few.digest


def test_duplicates_are_taken_once_and_counted(tmp_path: Path) -> None:
    chosen = sample(spec(traffic(tmp_path, ["a", "a", "b"])))
    assert (len(chosen.sequences), chosen.source_rows, chosen.duplicate_rows) == (2, 3, 1)


def test_too_few_rows_are_an_error_that_counts_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="5 sequences are asked for and the sources hold 1"):
        sample(spec(traffic(tmp_path, ["a"]), sequences=5))


def test_a_tampered_corpus_is_noticed(tmp_path: Path, store: Store) -> None:
    corpus = build_corpus(spec(traffic(tmp_path, ["a", "b"])), store)
    sequences = corpus.folder / "sequences.jsonl"
    text = sequences.read_text()
    sequences.write_text(text.replace('"a"', '"x"'))
    with pytest.raises(InputError, match="altered"):
        open_corpus(corpus.folder)


def test_sequences_come_back_as_they_were_sealed(tmp_path: Path, store: Store) -> None:
    source = traffic(tmp_path, ["line\nbreak and \u2028 separator", "b"])
    corpus = build_corpus(spec(source), store)
    texts = {sequence.messages[0].content for sequence in read_sequences(corpus)}
    assert texts == {"line\nbreak and \u2028 separator", "b"}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"", "no rows with content"),
        ("a.jsonl", b'{"messages": 3}\n', "line 1"),
        ("a.jsonl", b"{\n", "line 1"),
        ("a.jsonl", b'{"text": "\xff"}\n', "not UTF-8"),
        ("a.csv", b"a,b\n", "no rows with content"),
        ("missing.jsonl", None, "cannot be read"),
    ],
)
def test_an_unusable_source_is_one_error_with_its_place(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        sample(spec(path))
    assert name in str(caught.value)


def test_source_paths_are_relative_to_the_spec(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("name: c\nsequences: 1\nsources: [{path: t.txt}]\n")
    assert load_corpus_spec(tmp_path / "c.yaml").sources[0].path == tmp_path / "t.txt"


def item(text: str) -> Item:
    message = Message(role="user", content=text)
    return Item(id="i1", messages=(message,), expected="", slices=("s",))


def sequence(text: str) -> CorpusSequence:
    return CorpusSequence(id="t1", messages=(Message(role="user", content=text),))


def test_an_item_in_the_corpus_is_found_whatever_its_case_spacing_and_punctuation() -> None:
    found = contaminations(
        (sequence("please CANCEL order  42!"),), (item("Please cancel order #42."),)
    )
    assert [(one.item_id, one.sequence_id) for one in found] == [("i1", "t1")]


def test_another_order_number_is_another_question() -> None:
    assert not contaminations(
        (sequence("Please cancel order 43."),), (item("Please cancel order 42."),)
    )


def test_a_greeting_shared_by_both_is_no_contamination() -> None:
    assert not contaminations((sequence("Hello!"),), (item("hello"),))
