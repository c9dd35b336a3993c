"""What is wrong with a corpus on its own: each ailment is found, and healthy rows have none."""

import random
from itertools import pairwise

import pytest

from quantgate.calibration.checks.health import PROBLEMS, Examiner, Health, ailments
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import Message


def sequence(text: str, name: str = "t", source: str = "") -> CorpusSequence:
    return CorpusSequence(id=name, text=text, source=source)


def health(*sequences: CorpusSequence) -> Health:
    examiner = Examiner()
    for start in range(0, len(sequences), 7):
        batch = sequences[start : start + 7]
        texts = [one.text or "\n".join(m.content for m in one.messages) for one in batch]
        examiner.add(batch, texts)
    return examiner.health()


def found(*sequences: CorpusSequence) -> dict[str, int]:
    return {one.ailment: one.rows for one in health(*sequences).symptoms}


def various(count: int, *, words: int = 40) -> list[str]:
    draw = random.Random(0)
    vocabulary = [
        "".join(draw.choices("bdgklmnprst", k=3)) + draw.choice("aeiou") for _ in range(500)
    ]
    return [" ".join(draw.choices(vocabulary, k=words)) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "ailment"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("a\0b", "NUL"),
        ("a \ud83d b", "lone surrogate"),
        ("caf\ufffd", "replacement character"),
        ("bell \x07", "control character"),
        ("café".encode().decode("latin-1"), "mojibake"),
        ("“quoted” it\u2019s".encode().decode("cp1252", errors="replace"), "mojibake"),
        ("Привет".encode().decode("latin-1"), "mojibake"),
        ("日本".encode().decode("latin-1"), "control character"),
    ],
)
def test_broken_and_wrongly_decoded_rows_are_found(text: str, ailment: str) -> None:
    assert ailment in ailments(sequence(text), text)


@pytest.mark.parametrize(
    "text",
    [
        "plain text\twith a tab\r\nand lines",
        "café, São Paulo, Ângela, ÂGE, À bientôt, naïve “quotes” – it\u2019s 20 °C",
        "Привет, Ðuro; Íslenska: Ð og ð, þetta er í lagi",
        "日本語 ไทย हिन्दी 😀 №",
        "SÃO JOÃO DA BOA VISTA",
    ],
)
def test_honest_text_of_any_script_has_no_ailment(text: str) -> None:
    assert ailments(sequence(text), text) == []


def test_a_conversation_without_an_answer_is_told_and_one_with_a_call_alone_is_not() -> None:
    asked = Message(role="user", content="hi")
    call = Message(role="assistant", content="", tool_calls=({"function": {"name": "f"}},))
    assert ailments(CorpusSequence(id="t", messages=(asked,)), "hi") == ["no answer"]
    assert ailments(CorpusSequence(id="t", messages=(asked, call)), "hi") == []


def test_repeated_rows_are_counted_once_each_by_how_alike_they_are() -> None:
    texts = various(30)
    almost = " ".join(["other", *texts[3].split()[1:]])
    rows = [*texts, texts[0], texts[1].upper() + "!", almost]
    counted = found(*(sequence(text, f"t{n}") for n, text in enumerate(rows)))
    assert counted == {"duplicate": 1, "same words": 1, "near duplicate": 1}


def test_rows_that_share_half_their_words_are_no_duplicates() -> None:
    texts = various(60)
    halves = [" ".join(a.split()[:20] + b.split()[20:]) for a, b in pairwise(texts)]
    assert found(*(sequence(text, f"t{n}") for n, text in enumerate(texts + halves))) == {}


def test_a_source_that_most_rows_come_from_dominates_and_a_single_source_does_not() -> None:
    texts = various(100)
    mixed = [sequence(t, f"t{n}", "big" if n >= 5 else "small") for n, t in enumerate(texts)]
    (one,) = health(*mixed).dominations
    assert (one.what, one.name, one.share) == ("source", "big", 0.95)
    assert health(*(sequence(t, f"t{n}", "only") for n, t in enumerate(texts))).dominations == ()
    even = [sequence(t, f"t{n}", "ab"[n % 2]) for n, t in enumerate(texts)]
    assert health(*even).dominations == ()


def test_a_template_that_many_rows_begin_with_dominates_whatever_names_it_is_filled_with() -> None:
    draw = random.Random(1)
    filled = [
        f"Dear team, order {draw.randrange(10**6)} of {draw.randrange(10**6)} has not been delivered to my "
        f"house yet {draw.randrange(10**6)}"
        for _ in range(40)
    ]
    rows = [sequence(t, f"t{n}") for n, t in enumerate([*filled, *various(60)])]
    (one,) = health(*rows).dominations
    assert (one.what, one.share, one.example) == ("template", 0.4, "t0")
    assert health(*(sequence(t, f"t{n}") for n, t in enumerate(various(100)))).dominations == ()


def test_only_rows_that_are_no_text_are_problems() -> None:
    assert {"empty", "NUL", "lone surrogate"} == PROBLEMS
    told = health(
        sequence("x\0", "bad"), *(sequence(t, f"t{n}") for n, t in enumerate(various(3) * 2))
    )
    assert [(one.ailment, one.rows, one.examples) for one in told.symptoms] == [
        ("NUL", 1, ("bad",)),
        ("duplicate", 3, ("t3", "t4", "t5")),
    ]
    assert (told.rows, told.near_rows) == (7, 7)
