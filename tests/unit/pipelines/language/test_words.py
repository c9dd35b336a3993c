"""Words of many texts at once: what is one word, and what is the same word."""

import random
import re

import numpy
import pytest

from quantgate.pipelines.language.words import run_hashes, words_of


def spelled(text: str) -> list[str]:
    words = words_of([text])
    return [words.spelled(at) for at in range(len(words.hashes))]


def hashes(text: str) -> list[int]:
    return [int(number) for number in words_of([text]).hashes]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n…!? ", []),
        ("Hello, World", ["hello", "world"]),
        ("order DY-07825.", ["order", "dy", "07825"]),
        ("it's a.b", ["it", "s", "a", "b"]),
        ("1, 2 und 3.", ["1", "2", "und", "3"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("నాకు హెల్ప్", ["నాకు", "హెల్ప్"]),
    ],
)
def test_a_word_is_a_run_of_letters_marks_and_digits(text: str, words: list[str]) -> None:
    assert spelled(text) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello World", "hello,  WORLD!"),
        ("80,000 dollars", "80000 Dollars"),
        ("808.55", "80855"),
        ("fi", "ﬁ"),
        ("é", "e\u0301"),
        ("plain", "plain 東"[:5]),
    ],
)
def test_case_punctuation_and_unicode_form_make_no_other_word(one: str, other: str) -> None:
    assert hashes(one) == hashes(other)


@pytest.mark.parametrize(
    ("one", "other"), [("42", "43"), ("ab", "ba"), ("a b", "ab"), ("1 2", "12"), ("東京", "京東")]
)
def test_other_words_have_other_numbers(one: str, other: str) -> None:
    assert hashes(one) != hashes(other)


def test_a_word_has_one_number_wherever_it_stands_and_whatever_stands_beside_it() -> None:
    alone = hashes("needle")[0]
    for text in ("a needle", "1,000 needle", "東京 needle", "x" * 5000 + " Needle, y"):
        assert alone in hashes(text)


def test_texts_without_spaces_are_pairs_of_neighbouring_characters() -> None:
    assert len(hashes("我想取消订单")) == 6
    assert hashes("取消订单")[:3] == hashes("我想取消订单")[2:5]


def test_many_random_words_keep_apart_and_bounds_are_those_of_a_plain_loop() -> None:
    draw = random.Random(0)
    texts = [
        " ".join(
            "".join(draw.choices("abcdé1", k=draw.randint(1, 6))) for _ in range(draw.randint(0, 9))
        )
        for _ in range(500)
    ]
    found = words_of(texts)
    plain = [re.findall(r"\w+", text) for text in texts]
    assert numpy.diff(found.bounds).tolist() == [len(words) for words in plain]
    numbers: dict[str, set[int]] = {}
    for number, word in zip(
        found.hashes.tolist(), (w for words in plain for w in words), strict=True
    ):
        numbers.setdefault(word, set()).add(number)
    assert all(len(own) == 1 for own in numbers.values())
    assert len(set.union(*numbers.values())) == len(numbers) > 1000


def test_a_run_of_words_has_a_number_for_its_words_in_their_order() -> None:
    found = words_of(["one two", "One, two!", "two one", "one", ""])
    runs = run_hashes(found.hashes, found.bounds[:-1], found.bounds[1:]).tolist()
    assert runs[0] == runs[1]
    assert len({runs[0], *runs[2:]}) == 4


def test_lone_surrogates_and_separators_in_a_text_do_no_harm() -> None:
    found = words_of(["a \ud800 b", "c\x1ed", "e"])
    assert numpy.diff(found.bounds).tolist() == [2, 2, 1]
