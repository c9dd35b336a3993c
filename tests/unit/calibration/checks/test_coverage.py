"""What a suite asks that a corpus never shows: each lack is found, and what is there is not lacking."""

import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from quantgate.calibration.checks.coverage import Lack, Profiler, lacks, text_of
from quantgate.calibration.checks.features import calls_in, kinds_of, shares
from quantgate.calibration.checks.token_coverage import expert_coverage, token_coverage
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from quantgate.pipelines.domain.values import Digest, JsonValue
from quantgate.pipelines.engines.backend import CalibrationTokens

ENGLISH = (
    "I would like to know when my parcel is going to arrive, because I have waited for it since last week.",
    "Please tell me how I can send these shoes back to your shop and get my money again.",
    "The lamp that I bought from you last month does not work any more, so what should I do now?",
    "Could you be so kind as to change the address on my order before it leaves your house?",
)
SWAHILI = (
    "Ningependa kujua kifurushi changu kitafika lini kwa sababu nimekisubiri tangu wiki iliyopita.",
    "Tafadhali niambie jinsi ninavyoweza kurudisha viatu hivi dukani kwenu na kupata pesa zangu tena.",
    "Taa niliyonunua kutoka kwenu mwezi uliopita haifanyi kazi tena, sasa nifanye nini jamani?",
    "Naomba mnisaidie kubadilisha anwani ya oda yangu kabla haijaondoka kutoka nyumbani kwenu.",
)


def suite(**slices: Sequence[str | tuple[str, JsonValue]]) -> Suite:
    """One slice for each name; an item is its question, or a question with what is expected."""
    items = [
        Item(
            id=f"{name}{n}",
            messages=(Message(role="user", content=one if isinstance(one, str) else one[0]),),
            expected="" if isinstance(one, str) else one[1],
            slices=(name,),
            grader=None if isinstance(one, str) else GraderSpec(kind="tool_call"),
        )
        for name, asked in slices.items()
        for n, one in enumerate(asked)
    ]
    return Suite(
        name="s",
        version=1,
        description="",
        folder=Path(),
        digest=Digest("0" * 64),
        grader=GraderSpec(kind="exact"),
        decode=DecodeSettings(max_tokens=8),
        slices=tuple(SliceSpec(name=name, description="") for name in slices),
        items=tuple(items),
    )


def found(asked: Suite, texts: list[str], language: str = "") -> list[tuple[str, str, str]]:
    return [(one.slice, one.aspect, one.what) for one in told(asked, texts, language)]


def told(asked: Suite, texts: list[str], language: str = "") -> tuple[Lack, ...]:
    profiler = Profiler()
    rows = [CorpusSequence(id=str(n), text=text, language=language) for n, text in enumerate(texts)]
    for start in range(0, len(rows), 5):
        batch = rows[start : start + 5]
        profiler.add(batch, [text_of(one) for one in batch])
    return lacks(asked, profiler.profile())


def test_a_corpus_of_the_same_questions_lacks_nothing() -> None:
    asked = suite(english=list(ENGLISH), swahili=list(SWAHILI))
    assert found(asked, [*ENGLISH, *SWAHILI]) == []


def test_a_language_that_a_slice_asks_in_and_the_corpus_is_not_in_is_told_with_both_shares() -> (
    None
):
    asked = suite(english=list(ENGLISH), swahili=list(SWAHILI))
    (one,) = [lack for lack in told(asked, list(ENGLISH) * 5) if lack.aspect == "language"]
    assert (one.slice, one.what, one.slice_share, one.corpus_share) == ("swahili", "sw", 1.0, 0.0)
    assert one.text == "4 of 4 items are in 'sw', 0.0% of the corpus is"


def test_languages_that_the_rows_name_themselves_are_believed() -> None:
    asked = suite(swahili=list(SWAHILI))
    assert "language" not in {aspect for _, aspect, _ in found(asked, list(ENGLISH), language="sw")}


def test_items_longer_than_nearly_all_of_the_corpus_are_told() -> None:
    asked = suite(long=[" ".join(ENGLISH) * 4] * 3, short=list(ENGLISH))
    assert [one[:2] for one in found(asked, list(ENGLISH) * 5)] == [("long", "length")]
    assert found(asked, [" ".join(ENGLISH) * 5, *ENGLISH] * 5) == []


def test_digits_json_and_scripts_that_a_slice_is_made_of_and_the_corpus_is_not_are_told() -> None:
    asked = suite(
        numbers=[f"{text} 48 30 17 96 25 {n}{n}" for n, text in enumerate(ENGLISH)],
        calls=[(text, {"name": "track", "arguments": {"id": "a"}}) for text in ENGLISH],
        greek=[f"{text} Καλημέρα σας" for text in ENGLISH],
    )
    plain = [*list(ENGLISH) * 10, *[" ".join(ENGLISH)] * 10]
    assert found(asked, plain) == [
        ("numbers", "writing", "digits"),
        ("calls", "writing", "JSON punctuation"),
        ("calls", "calls", "tool calls"),
        ("greek", "writing", "greek letters"),
    ]
    rich = [f'{text} 1234 {{"name": "f", "arguments": {{}}}} Ευχαριστώ πολύ' for text in plain]
    assert found(asked, rich) == []


def test_words_that_several_items_use_and_the_corpus_never_are_told_and_names_are_not() -> None:
    medical = [
        f"Which dosage of the antibiotic should a patient with renal failure and asthma take against {name} "
        "pneumonia before surgery, and does the nurse need to monitor blood pressure?"
        for name in ("viral", "chronic", "severe", "mild")
    ]
    (one,) = [
        lack for lack in told(suite(medical=medical), list(ENGLISH) * 5) if lack.aspect == "words"
    ]
    assert "dosage" in one.text or "antibiotic" in one.text
    named = [
        f"{text} {name}" for text, name in zip(ENGLISH, ("Kofi", "Ama", "Esi", "Yaw"), strict=True)
    ]
    assert found(suite(named=named), list(ENGLISH) * 5) == []


def test_an_empty_corpus_is_no_business_of_coverage() -> None:
    assert told(suite(english=list(ENGLISH)), []) == ()


def test_kinds_of_writing_are_counted_by_character_without_spaces() -> None:
    counted = kinds_of(['Ab 12 {"é"} 東 Ж'])
    assert counted == Counter({
        "latin letters": 2, "digits": 2, "JSON punctuation": 4, "accented latin letters": 1,
        "cjk letters": 1, "cyrillic letters": 1,
    })  # fmt: skip
    assert sum(shares(counted).values()) == pytest.approx(1)
    assert shares({}) == {}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name":"f","arguments":{}}', 1),
        ('<tool_call>\n{"name": "f"}</tool_call>', 2),
        ('a {"city": "Rome"} b', 0),
        ("my name: Ada {x}", 0),
    ],
)
def test_beginnings_of_tool_calls_are_counted(text: str, calls: int) -> None:
    assert calls_in(text) == calls


def test_tokens_that_calibration_never_sees_are_counted_by_slice_with_digits_apart() -> None:
    vocabulary = ["the", "7", "8", "rare", "gone"]
    slices = {"a": [[0, 0, 1, 3], [4, 4, 2]], "b": [[0, 1]]}
    one, other = token_coverage(
        slices, Counter({0: 50, 1: 9, 3: 2}), lambda ids: "".join(vocabulary[i] for i in ids)
    )
    assert (one.distinct, one.unseen, one.rare) == (5, 2, 1)
    assert one.unseen_share == pytest.approx(3 / 7)
    assert (one.digits, one.digits_unseen, one.examples) == (2, 1, ("gone", "8"))
    assert (other.unseen, other.unseen_share, other.digits_unseen) == (0, 0.0, 0)


TOKENS = CalibrationTokens(
    file=Path("none"), corpus_label="c@1", corpus_digest=Digest("ab" * 32), sequence_count=1,
    token_count=1, max_length_tokens=1,
)  # fmt: skip


def write_matrix(folder: Path, dataset: str, counts: dict[str, list[float]]) -> None:
    """An importance matrix as the worker writes it, with the counts alone."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, len(counts), 1)
    head += text("imatrix.datasets") + struct.pack("<IIQ", 9, 8, 1) + text(dataset)
    offset, data = 0, b""
    for name, values in counts.items():
        head += text(f"{name}.counts") + struct.pack("<IQQIQ", 2, 1, len(values), 0, offset)
        packed = struct.pack(f"<{len(values)}f", *values)
        packed += b"\0" * (-len(packed) % 32)
        data, offset = data + packed, offset + len(packed)
    folder.mkdir(parents=True)
    (folder / "imatrix.gguf").write_bytes(head + b"\0" * (-len(head) % 32) + data)


def test_experts_that_no_token_was_sent_to_are_counted_from_the_matrix_of_these_very_tokens(
    tmp_path: Path,
) -> None:
    dataset = f"sha256:{TOKENS.corpus_digest}"
    write_matrix(
        tmp_path / "imatrix-0", "sha256:" + "cd" * 32, {"blk.0.ffn_gate_exps.weight": [0.0, 0, 0]}
    )
    assert expert_coverage(tmp_path, TOKENS) is None
    counts = {
        "blk.0.attn_q.weight": [100.0],
        "blk.0.ffn_gate_exps.weight": [40.0, 0.0, 60.0, 100.0],
        "blk.0.ffn_up_exps.weight": [40.0, 0.0, 60.0, 100.0],
        "blk.1.ffn_gate_exps.weight": [50.0, 50.0, 50.0, 50.0],
    }
    write_matrix(tmp_path / "imatrix-1", dataset, counts)
    experts = expert_coverage(tmp_path, TOKENS)
    assert experts is not None
    assert (experts.experts, experts.unreached, experts.least_share) == (8, 1, 0.0)
    assert experts.most_starved == "blk.0.ffn_gate_exps.weight, expert 1"


def test_a_dense_models_matrix_tells_nothing_of_experts(tmp_path: Path) -> None:
    write_matrix(
        tmp_path / "imatrix-1", f"sha256:{TOKENS.corpus_digest}", {"blk.0.attn_q.weight": [9.0]}
    )
    assert expert_coverage(tmp_path, TOKENS) is None
