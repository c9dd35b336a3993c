"""Rows of traffic: read as corpora read theirs, sampled whatever their order, put through the same rules."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.calibration.drift.baseline import baseline_of, raked, thinned
from quantgate.calibration.drift.results import DriftSettings
from quantgate.calibration.drift.rows import (
    DriftRow,
    as_sequence,
    corpus_rows,
    sampled,
    traffic_rows,
    with_texts,
)
from quantgate.calibration.redaction.options import RedactionOptions
from quantgate.calibration.specs.corpus import Filters
from quantgate.pipelines.domain.corpus import Corpus, CorpusSequence
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject, digest_of

SETTINGS = DriftSettings()


def _file(folder: Path, *rows: object, name: str = "traffic.jsonl") -> Path:
    path = folder / name
    path.write_text(
        "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    )
    return path


def _texts(count: int) -> list[DriftRow]:
    return [DriftRow(f"row-{n}", (("user", f"question number {n}"),)) for n in range(count)]


def test_rows_are_conversations_prompts_texts_and_logged_calls(tmp_path: Path) -> None:
    call = {"function": {"name": "f", "arguments": '{"x": 1}'}}
    path = _file(
        tmp_path,
        {"id": "a", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"prompt": "what", "response": "that"},
        {"text": "raw"},
        {"request": {"messages": [{"role": "user", "content": "q"}]}, "response": {}},
        {
            "messages": [
                {"role": "user", "content": "do"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
            ]
        },
    )
    rows = [row for row in traffic_rows(path) if isinstance(row, DriftRow)]
    assert [row.id for row in rows] == ["a", *(f"traffic:{n}" for n in (2, 3, 4, 5))]
    assert [row.parts for row in rows[:4]] == [
        (("user", "hi"),),
        (("user", "what"), ("assistant", "that")),
        (("text", "raw"),),
        (("user", "q"),),
    ]
    assert rows[4].parts[1][0] == "assistant"
    assert json.loads(rows[4].parts[1][1]) == [{"function": {"name": "f", "arguments": {"x": 1}}}]


def test_a_corpus_and_traffic_of_the_same_rows_are_the_same_rows(tmp_path: Path) -> None:
    calls: tuple[JsonObject, ...] = ({"function": {"name": "f", "arguments": {"x": 1}}},)
    messages = (
        Message(role="user", content="do it"),
        Message(role="assistant", content="", tool_calls=calls),
    )
    document = {
        "id": "a",
        "messages": [
            {"role": "user", "content": "do it"},
            {"role": "assistant", "content": "", "tool_calls": list(calls)},
        ],
    }
    assert list(corpus_rows([CorpusSequence(id="a", messages=messages)])) == list(
        traffic_rows(_file(tmp_path, document))
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{broken", "line 2: is not valid JSON"),
        ("[1]", "line 2: is not a JSON object"),
        ('{"messages": [{"role": "wizard", "content": "x"}]}', "line 2: message 1 has the role"),
    ],
)
def test_a_broken_row_is_refused_with_file_and_line(
    tmp_path: Path, line: str, problem: str
) -> None:
    path = _file(tmp_path, {"text": "fine"}, line)
    with pytest.raises(InputError, match=problem) as caught:
        list(traffic_rows(path))
    assert caught.value.where == str(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not '\.pdf'"):
        list(traffic_rows(tmp_path / "x.pdf"))


def test_rows_go_through_the_corpuss_filters_and_rendering(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "long enough"}]}
    path = _file(
        tmp_path,
        {"messages": [{"role": "system", "content": "be kind"}, *long["messages"]]},
        {"text": "short"},
        {"messages": []},
    )
    filters = Filters(min_characters=8, roles=("user",))
    found = list(traffic_rows(path, filters=filters, rendering="raw"))
    # a raw row has no roles any more, so there is none to take out
    assert found == [
        DriftRow("traffic:1", (("text", "be kind\nlong enough"),)),
        "too_short",
        "empty",
    ]
    assert next(iter(traffic_rows(path, filters=filters))) == DriftRow(
        "traffic:1", (("user", "long enough"),)
    )
    counts = sampled(found, SETTINGS, "traffic").counts
    assert (counts.rows, counts.compared) == (3, 1)
    assert counts.left_out == {"empty": 1, "too_short": 1}


def test_equal_rows_count_once() -> None:
    rows = [*_texts(3), *_texts(3), DriftRow("again", (("user", "question number 0"),))]
    counts = sampled(rows, SETTINGS, "traffic").counts
    assert (counts.rows, counts.repeated, counts.compared) == (7, 4, 3)


def test_a_sample_depends_on_neither_order_nor_what_is_left_but_on_seed_and_side() -> None:
    rows = _texts(200)
    few = replace(SETTINGS, most_rows=20)
    first = sampled(rows, few, "traffic").rows
    assert len(first) == 20
    shuffled = random.Random(0).sample(rows, len(rows))
    assert sampled(shuffled, few, "traffic").rows == first
    assert sampled(rows, replace(few, most_rows=10), "traffic").rows == first[:10]
    assert sampled(rows, few, "corpus").rows != first
    assert sampled(rows, replace(few, seed=1), "traffic").rows != first


def test_no_more_text_is_compared_than_there_is_room_for() -> None:
    rows = _texts(100)
    length = len(rows[0].parts[0][1])
    found = sampled(rows, replace(SETTINGS, most_characters=10 * (length + 1)), "traffic")
    assert 9 <= len(found.rows) <= 11
    assert found.counts.compared == len(found.rows)


def test_texts_go_to_redaction_and_come_back_with_their_roles() -> None:
    row = DriftRow("a", (("system", "s"), ("user", "call 555"), ("assistant", "555?")))
    sequence = as_sequence(row)
    redacted = replace(
        sequence,
        messages=tuple(
            replace(m, content=m.content.replace("555", "<P>")) for m in sequence.messages
        ),
    )
    assert with_texts(row, redacted).parts == (
        ("system", "s"),
        ("user", "call <P>"),
        ("assistant", "<P>?"),
    )
    text = DriftRow("b", (("text", "call 555"),))
    assert with_texts(text, replace(as_sequence(text), text="call <P>")).parts == (
        ("text", "call <P>"),
    )


def test_raking_gives_each_dimension_its_margin() -> None:
    cells = [("a", "x")] * 30 + [("a", "y")] * 10 + [("b", "x")] * 20 + [("b", "y")] * 40
    weights = raked(cells, [{"a": 80, "b": 20}, {"x": 50, "y": 50}])
    total = sum(weights)
    for dimension, value, share in ((0, "a", 0.8), (0, "b", 0.2), (1, "x", 0.5), (1, "y", 0.5)):
        held = sum(w for w, cell in zip(weights, cells, strict=True) if cell[dimension] == value)
        assert held / total == pytest.approx(share)
    # raking keeps what a table's cells say of each other: the odds ratio 30 * 40 / (10 * 20)
    sums: Counter[tuple[str, str]] = Counter()
    for cell, weight in zip(cells, weights, strict=True):
        sums[cell] += weight  # type: ignore[assignment]  # Counter adds floats as well
    odds = sums["a", "x"] * sums["b", "y"] / (sums["a", "y"] * sums["b", "x"])
    assert odds == pytest.approx(6.0)


def test_values_that_cannot_be_brought_back_do_not_break_raking() -> None:
    assert raked([("a",), ("b",)], [{"a": 10, "c": 90}])[1] == 0.0
    assert raked([("a",)], [{"c": 90}]) == (1.0,)
    assert raked([], [{"a": 1}]) == ()


def _sequences(**counts: int) -> list[CorpusSequence]:
    return [
        CorpusSequence(id=f"{language}-{n}", text=f"text {language} {n}", language=language)
        for language, count in counts.items()
        for n in range(count)
    ]


def test_a_weighted_corpus_is_thinned_to_the_shares_of_its_sources() -> None:
    kept = thinned(_sequences(en=1000, de=1000), {"language": {"en": 9500, "de": 500}}, seed=0)
    counts = Counter(one.language for one in kept)
    assert counts["en"] == 1000
    assert 30 <= counts["de"] <= 80  # a nineteenth of a thousand
    assert kept == thinned(
        _sequences(en=1000, de=1000), {"language": {"en": 9500, "de": 500}}, seed=0
    )


def _sealed(folder: Path, card: object, record: object) -> Corpus:
    if card is not None:
        (folder / "card.json").write_text(json.dumps(card))
    (folder / "manifest.json").write_text(json.dumps({"record": record}))
    return Corpus(name="c", version=1, digest=digest_of("c"), sequence_count=9, folder=folder)


def test_a_corpus_without_card_or_mix_is_taken_as_it_is(tmp_path: Path) -> None:
    for card in (None, {"rendering": "raw", "mix": []}):
        found = baseline_of(_sealed(tmp_path, card, {}), _sequences(en=5), seed=0)
        assert (len(found.rows), found.key, found.notes) == (5, "as it is", ())
    assert found.rules.rendering == "raw"


def test_a_mix_is_undone_with_what_the_card_counts(tmp_path: Path) -> None:
    mix = [
        {"dimension": "language", "value": "en", "available": 900},
        {"dimension": "language", "value": "other", "available": 100},
    ]
    corpus = _sealed(tmp_path, {"mix": mix}, {})
    found = baseline_of(corpus, _sequences(en=90, de=60, fr=30), seed=0)
    languages = Counter(row.id.partition("-")[0] for row in found.rows)
    assert languages["en"] == 90
    assert languages["de"] + languages["fr"] < 25
    assert "its mix by language was weighted" in found.notes[0]
    assert found.key != "as it is"


def test_weighted_sources_are_undone_with_their_row_counts(tmp_path: Path) -> None:
    card = {
        "mix": [{"dimension": "source", "value": name, "available": 0} for name in ("a", "b")],
        "sources": [
            {"name": "a", "rows": 1000, "dropped": {"empty": 100}},
            {"name": "b", "rows": 100, "dropped": {}},
        ],
    }
    rows = [replace(one, source=one.language) for one in _sequences(a=100, b=100)]
    found = baseline_of(_sealed(tmp_path, card, {}), rows, seed=0)
    counts = Counter(row.id.partition("-")[0] for row in found.rows)
    assert counts["a"] == 100
    assert counts["b"] < 25


def test_a_mix_whose_sources_shares_are_not_known_is_said(tmp_path: Path) -> None:
    corpus = _sealed(tmp_path, {"mix": [{"dimension": "domain", "value": "x", "share": 1}]}, {})
    found = baseline_of(corpus, _sequences(en=30), seed=0)
    assert len(found.rows) == 30
    assert "the shares of its domains were chosen" in found.notes[0]


def test_filters_and_redaction_are_those_of_the_seal(tmp_path: Path) -> None:
    record = {"filters": {"min_characters": 5, "languages": ["en"]}}
    card = {"redaction": {"options": {"mode": "enforce", "threshold": 0.5}}}
    rules = baseline_of(_sealed(tmp_path, card, record), _sequences(en=30), seed=0).rules
    assert rules.filters == Filters(min_characters=5, languages=("en",))
    assert rules.redaction == RedactionOptions(mode="enforce", threshold=0.5)
