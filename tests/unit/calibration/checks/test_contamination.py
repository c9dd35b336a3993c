"""Copies of a suite's questions in a corpus: planted ones are found, shared templates and topics are not."""

import json
import math
import random
import re
from collections.abc import Callable, Iterator

import pytest

from quantgate.calibration.checks.contamination import Contamination, contaminations
from quantgate.calibration.checks.overlap_closeness import least_likeness
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.suites.suite import Item, Message
from quantgate.pipelines.suites.load import load_suite
from tests.support.project import EXAMPLE
from tests.support.real_rows import real_rows

QUESTION = (
    "Farmer Obi sold 37 crates of cassava at the Enugu market on Friday for 412 naira each. How much did he "
    "take home after paying 96 naira for the lorry?"
)
SMALL = (
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not",
    "he", "his", "but", "at", "are", "this", "have", "from",
)  # fmt: skip


def item(text: str, name: str = "i1") -> Item:
    return Item(id=name, messages=(Message(role="user", content=text),), expected="", slices=("s",))


def row(text: str, name: str = "t1") -> CorpusSequence:
    return CorpusSequence(id=name, messages=(Message(role="user", content=text),))


def rows(texts: list[str]) -> list[CorpusSequence]:
    return [row(text, f"t{number}") for number, text in enumerate(texts)]


def chatter(count: int) -> list[str]:
    """Honest rows of other things, from few words, so that they have much in common with each other."""
    draw = random.Random(1)
    words = [
        *SMALL,
        *[
            "market",
            "crates",
            "friday",
            "lorry",
            "money",
            "home",
            "paid",
            "sold",
            "farmer",
            "each",
            "naira",
            "house",
            "rain",
        ],
    ]
    return [" ".join(draw.choices(words, k=30)) for _ in range(count)]


def kinds(found: tuple[Contamination, ...]) -> list[tuple[str, str, str]]:
    return [(one.item_id, one.sequence_id, one.kind) for one in found]


def test_a_copy_word_for_word_is_exact_and_told_with_both_texts() -> None:
    found = contaminations([*rows(chatter(50)), row(QUESTION, "copy")], [item(QUESTION)])
    assert kinds(found) == [("i1", "copy", "exact")]
    assert (found[0].text, found[0].found, found[0].likeness) == (QUESTION, QUESTION, 1.0)


def test_a_copy_in_capitals_without_punctuation_is_normalized() -> None:
    copied = re.sub(r"[?.,]", "", QUESTION).upper()
    found = contaminations([*rows(chatter(50)), row(copied, "copy")], [item(QUESTION)])
    assert kinds(found) == [("i1", "copy", "normalized")]


@pytest.mark.parametrize(
    "copied",
    [
        "Obi, a farmer, sold 37 crates of cassava on Friday at the Enugu market, 412 naira each. He paid 96 "
        "naira for the lorry: how much money did he take home?",
        "After paying 96 naira for the lorry, how much did Farmer Obi take home, who on Friday sold 37 "
        "crates of cassava at the Enugu market for 412 naira each?",
        "Farmer Obi sold 37 boxes of cassava at the Enugu bazaar on Friday for 412 naira apiece. How much "
        "did he keep after paying 96 naira for the truck?",
        "Farmer Obi sold 37 crates of cassava at the Enugu market on Friday for 412 naira each. How much did",
    ],
    ids=["paraphrase", "clauses swapped", "synonyms", "cut"],
)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside a long row"])
def test_a_reworded_or_cut_copy_that_keeps_the_rare_content_is_near(
    copied: str, inside: bool
) -> None:
    around = " ".join(chatter(40))
    text = f"{around} {copied} {around}" if inside else copied
    found = contaminations([*rows(chatter(200)), row(text, "copy")], [item(QUESTION)])
    assert [one[:2] for one in kinds(found)] == [("i1", "copy")]
    assert found[0].likeness >= 0.5
    assert "cassava" in found[0].found.casefold() and len(found[0].found) <= 400


@pytest.mark.parametrize(
    "other",
    [
        "Farmer Ade bought 12 sheep in Kano last May and fed them for 30 weeks. How much hay did they eat?",
        "How much did he take home after paying for it?",
        "Cassava, crates, a lorry, the Enugu market, naira and a farmer called Obi: what a Friday, he said "
        "once more, long after the rain, and went on about the house and about his money for an hour.",
    ],
    ids=["another question", "the phrase that many questions end with", "its words scattered"],
)
def test_another_question_on_the_same_topic_is_none(other: str) -> None:
    assert contaminations([*rows(chatter(200)), row(other)], [item(QUESTION)]) == ()


def test_another_order_number_is_another_question_and_a_greeting_is_no_question() -> None:
    assert not contaminations([row("Please cancel order 43.")], [item("Please cancel order 42.")])
    assert not contaminations([row("Hello!")], [item("hello")])
    assert contaminations([row("please CANCEL order  42!")], [item("Please cancel order #42.")])


TEMPLATES = (
    "Hello, please ship order {code} to {name} in {town} by {day} and send the invoice to {mail}@{name}.net.",
    "I would like to return {few} items from order {code}, the money goes to account {account} of {name}.",
    "Our meter {account} showed {few} units on {day}, please correct the bill {code} for {name} in {town}.",
    "Could you tell {name} that parcel {code} waits in {town} until {day}? It weighs {few} kilos.",
    "{name} from {town} ordered {few} lamps with number {code} last {day} and was charged {account} twice.",
)


def filled(template: str, draw: random.Random) -> str:
    def name() -> str:
        return "".join(draw.choices(["ba", "ko", "ri", "te", "mu", "la", "ne"], k=4)).title()

    return template.format(
        code=f"{''.join(draw.choices('ABCDEFGH', k=2))}-{draw.randrange(100_000):05}",
        name=name(),
        town=name(),
        mail=name().lower(),
        day=draw.choice(["monday", "tuesday", "friday"]),
        few=draw.randint(2, 99),
        account="".join(draw.choices("0123456789", k=8)),
    )


@pytest.mark.parametrize("templates", [1, 5])
@pytest.mark.parametrize("count", [5, 20, 200, 3000])
def test_messages_that_share_a_template_and_differ_in_names_and_numbers_are_none_but_a_copy_among_them_is(
    templates: int, count: int
) -> None:
    draw = random.Random(count)
    items = [item(filled(TEMPLATES[n % templates], draw), f"i{n}") for n in range(40)]
    honest = rows([filled(TEMPLATES[n % templates], draw) for n in range(count)])
    assert contaminations(honest, items) == ()
    said = items[7].messages[0].content
    copied = row(
        f"Good day! {said.replace('please', 'kindly').replace(' the ', ' ')} Thanks a lot.", "copy"
    )
    assert [one[:2] for one in kinds(contaminations([*honest, copied], items))] == [("i7", "copy")]


def test_what_stands_in_system_messages_or_nowhere_is_not_compared() -> None:
    said = (
        Message(role="system", content=QUESTION),
        Message(role="user", content="Hi there, you two!"),
    )
    assert not contaminations([CorpusSequence(id="t", messages=said)], [item(QUESTION)])
    asked = Item(id="i", messages=said, expected="", slices=("s",))
    assert not contaminations([row(QUESTION)], [asked])
    assert contaminations([], [item(QUESTION)]) == ()
    assert contaminations([row(QUESTION)], []) == ()


def test_the_last_question_of_a_conversation_is_found_by_itself() -> None:
    said = (
        Message(
            role="user",
            content="My neighbours Ama and Kofi argue about a farm near Enugu all day.",
        ),
        Message(role="assistant", content="What do they say about it?"),
        Message(role="user", content=QUESTION),
    )
    asked = Item(id="i", messages=said, expected="", slices=("s",))
    assert kinds(contaminations([*rows(chatter(30)), row(QUESTION, "copy")], [asked])) == [
        ("i", "copy", "exact")
    ]


def test_half_of_a_very_long_item_is_found() -> None:
    draw = random.Random(3)
    words = [
        "".join(draw.choices("bdgklmnprst", k=2) + draw.choices("aeiou", k=2)) for _ in range(900)
    ]
    long = item(" ".join(words))
    half = row(f"{' '.join(chatter(9))} {' '.join(words[450:])}", "half")
    found = contaminations([*rows(chatter(50)), half], [long])
    assert kinds(found) == [("i1", "half", "near")]


def test_the_result_is_the_same_whatever_the_number_of_threads_and_the_rows_are_read_once() -> None:
    draw = random.Random(5)
    texts = [filled(TEMPLATES[n % 5], draw) * 3 for n in range(4000)]
    items = [item(" ".join(texts[n].split()[:25]), f"i{n}") for n in range(0, 4000, 100)]

    def once() -> Iterator[CorpusSequence]:
        yield from rows(texts)

    one, two = contaminations(once(), items), contaminations(once(), items, threads=2)
    assert one == two
    assert len(one) == len(items)


def test_the_fewer_words_are_shared_the_more_of_the_item_they_have_to_be() -> None:
    shares = [least_likeness(count) for count in (6, 9, 10, 12, 14, 100)]
    assert shares == pytest.approx([0.9, 0.9, 0.82, 0.66, 0.5, 0.5])


# What follows plants edits in real rows; docs/corpora.md has the same counts in a table.


def capitals(text: str, _draw: random.Random) -> str:
    return re.sub(r"[.,;:!?'\u2019\"]", "", text).upper()


def reordered(text: str, _draw: random.Random) -> str:
    """The first clause goes last, and every seventh pair of words is swapped."""
    clauses = [part for part in re.split(r"(?<=[.?!,])\s+", text) if part]
    words = " ".join([*clauses[1:], clauses[0]]).split()
    for at in range(0, len(words) - 1, 7):
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def substituted(text: str, draw: random.Random) -> str:
    """A quarter of the plain lower-case words become other common words."""
    words = text.split()
    plain = [at for at, word in enumerate(words) if word.isalpha() and word.islower()]
    for at in draw.sample(plain, len(plain) // 4):
        words[at] = draw.choice(SMALL)
    return " ".join(words)


def cut(text: str, _draw: random.Random) -> str:
    words = text.split()
    return " ".join(words[: math.ceil(0.7 * len(words))])


def embedded(text: str, draw: random.Random) -> str:
    article = draw.choice(real_rows("wikitext2"))["text"].split()
    return " ".join([*article[:300], text, *article[300:700]])


def part_embedded(text: str, draw: random.Random) -> str:
    words = text.split()
    start = len(words) // 5
    return embedded(" ".join(words[start : start + math.ceil(0.7 * len(words))]), draw)


EDITS: dict[Callable[[str, random.Random], str], float] = {
    capitals: 1.0,
    reordered: 1.0,
    substituted: 0.98,
    cut: 0.95,
    embedded: 1.0,
    part_embedded: 0.9,
}


@pytest.mark.parametrize(("edit", "least"), EDITS.items(), ids=[edit.__name__ for edit in EDITS])
def test_edited_copies_of_school_mathematics_are_found_among_other_questions(
    edit: Callable[[str, random.Random], str], least: float
) -> None:
    draw = random.Random(0)
    prompts = [one["prompt"] for one in real_rows("gsm8k_test")]
    asked = [item(text, f"i{n}") for n, text in enumerate(prompts[:120])]
    copies = [row(edit(text, draw), f"copy of i{n}") for n, text in enumerate(prompts[:120])]
    found = contaminations([*rows(prompts[400:]), *copies], asked)
    others = {one.item_id for one in found if one.sequence_id != f"copy of {one.item_id}"}
    assert others <= {"i33"}  # it has a sister, see below
    assert len(found) >= least * len(asked)


VARIANTS = {"gsm8k/33", "gsm8k/339", "gsm8k/488"}
"""Read by a person: each has a sister in the same file, the same story with another number asked for."""


def test_of_different_questions_of_school_mathematics_only_the_three_with_a_sister_are_found() -> (
    None
):
    questions = real_rows("gsm8k_test")
    items = [item(one["prompt"], one["id"]) for one in questions[:660]]
    found = contaminations(rows([one["prompt"] for one in questions[660:]]), items)
    assert {one.item_id for one in found} == VARIANTS


@pytest.mark.parametrize("language", ["bn", "de", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"])
def test_in_any_language_different_questions_are_none_and_copies_in_other_order_are_found(
    language: str,
) -> None:
    prompts = [r["prompt"] for r in real_rows("mgsm") if f"lang_{language}" in r["slices"]]
    items = [item(text, f"i{n}") for n, text in enumerate(prompts[:60])]
    honest = rows(prompts[90:])
    assert contaminations(honest, items) == ()
    copies = [
        row(reordered(text, random.Random(0)), f"c{n}") for n, text in enumerate(prompts[:60])
    ]
    assert len(contaminations([*honest, *copies], items)) == 60


@pytest.mark.parametrize("name", ["gsm8k_test", "xstest", "humaneval", "bfcl"])
def test_suites_of_another_kind_are_not_found_in_an_encyclopedia(name: str) -> None:
    asked = [
        item(one.get("prompt") or "\n".join(m["content"] for m in one["messages"]), one["id"])
        for one in real_rows(name)[:500]
    ]
    articles = [CorpusSequence(id=one["id"], text=one["text"]) for one in real_rows("wikitext2")]
    assert contaminations(articles, asked) == ()


def traffic() -> list[CorpusSequence]:
    lines = (EXAMPLE / "traffic" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        CorpusSequence(
            id=one["id"],
            messages=tuple(Message(role=m["role"], content=m["content"]) for m in one["messages"]),
        )
        for one in map(json.loads, lines)
    ]


def test_the_examples_honest_traffic_holds_none_of_its_suite_and_planted_copies_are_found() -> None:
    suite, honest = load_suite(EXAMPLE / "suite"), traffic()
    assert contaminations(honest, suite.items) == ()
    draw = random.Random(2)
    chosen = [one for one in suite.items if len(one.messages[-1].content.split()) >= 20][::6]
    copies = [row(reordered(one.messages[-1].content, draw), f"copy of {one.id}") for one in chosen]
    found = {one.item_id for one in contaminations([*honest, *copies], suite.items)}
    assert {one.id for one in chosen} <= found
    assert len(chosen) >= 20
