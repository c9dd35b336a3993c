"""Languages of corpus rows: right on real rows, silent on what is no language, quick, in any company."""

import ast
import importlib.util
import json
import random
import string
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from quantgate.pipelines.language.identify import UNKNOWN, languages_of
from tests.support.project import EXAMPLE
from tests.support.real_rows import real_rows

ARTICLE = (
    "The river rises in the hills above the town and runs east through meadows, past two mills that no "
    "longer grind, until it meets the sea at a harbour where fishing boats still land their catch. "
)


def shares(texts: Sequence[str], languages: Sequence[str]) -> tuple[float, float]:
    """Return which share got its language, and which another one; the rest is undecided."""
    codes = languages_of(texts)
    right = sum(code == language for code, language in zip(codes, languages, strict=True))
    undecided = sum(code == UNKNOWN for code in codes)
    return right / len(texts), (len(texts) - right - undecided) / len(texts)


def mgsm() -> tuple[list[str], list[str]]:
    rows = real_rows("mgsm")
    languages = [next(s[5:] for s in row["slices"] if s.startswith("lang_")) for row in rows]
    return [row["prompt"] for row in rows], languages


def spacy_examples() -> tuple[list[str], list[str]]:
    found = importlib.util.find_spec("spacy")
    if found is None or found.origin is None:
        pytest.skip("spaCy is not installed: make setup-redaction")
    pairs = []
    for file in sorted(Path(found.origin).parent.glob("lang/*/examples.py")):
        code = {"nb": "no", "nn": "no"}.get(file.parent.name, file.parent.name)
        for statement in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign):
                pairs += [(sentence, code) for sentence in ast.literal_eval(statement.value)]
    pairs = [
        pair for pair in pairs if pair[1] not in {"xx", "bo", "ti", "tn"} and len(pair[1]) == 2
    ]
    return [sentence for sentence, _ in pairs], [code for _, code in pairs]


def test_real_questions_in_eleven_languages_get_theirs() -> None:
    texts, languages = mgsm()
    right, wrong = shares(texts, languages)
    assert right > 0.995
    assert wrong == 0


def test_their_first_sixty_characters_are_nearly_enough() -> None:
    texts, languages = mgsm()
    right, wrong = shares([text[:60] for text in texts], languages)
    assert right > 0.985
    assert wrong < 0.002


def test_single_sentences_in_58_languages_are_rarely_taken_for_another() -> None:
    texts, languages = spacy_examples()
    assert len(set(languages)) >= 55
    right, wrong = shares(texts, languages)
    assert right > 0.86
    assert wrong < 0.025


def test_random_letters_are_in_no_language() -> None:
    chance = random.Random(1)
    words = [
        " ".join(
            "".join(chance.choices(string.ascii_lowercase, k=chance.randint(3, 9)))
            for _ in range(chance.randint(3, 30))
        )
        for _ in range(300)
    ]
    assert sum(code != UNKNOWN for code in languages_of(words)) <= 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "ok",
        "1234567890 99.50 -3",
        '{"name":"ship_order","arguments":{"order_id":"SZR-0478680","method":"standard","day":"tuesday"}}',
        '{\n  "name": "ship_order",\n  "method": "standard",\n  "destination": "warehouse"\n}',
        "```python\nfor item in sorted(items):\n    print(item.name, item.value)\n```",
        "https://example.com/the/quick/brown/fox/jumps/over/the/lazy/dog",
        "\ud800\udfff\x00",
        "😀😀😀 👍👍👍👍👍",
    ],
)  # fmt: skip
def test_what_says_nothing_is_undecided(text: str) -> None:
    assert languages_of([text]) == [UNKNOWN]


def test_prose_around_code_and_markup_decides() -> None:
    texts = [
        "<p class='note'>Bitte schicken Sie mir die Rechnung noch einmal zu.</p>",
        "```\nselect * from orders where name is not null\n```\n¿Por qué no funciona esta consulta?",
        '{"text": "Je voudrais savoir quand mon colis sera livré."}',
        "ORDER-1 ORDER-2 https://shop.example/a/b Naomba kubadilisha agizo langu tafadhali.",
        "BITTE SCHICKEN SIE MIR DIE RECHNUNG NOCH EINMAL ZU.",
    ]
    assert languages_of(texts) == ["de", "es", "fr", "sw", "de"]


def test_a_text_gets_the_same_language_in_any_company() -> None:
    texts = [*mgsm()[0][::20], "", "ok", ARTICLE]
    alone = [languages_of([text])[0] for text in texts]
    assert languages_of(texts) == alone
    assert languages_of(texts[::-1] * 20)[: len(texts)] == alone[::-1]


def test_no_texts_have_no_languages() -> None:
    assert languages_of([]) == []


def test_a_row_of_a_kilobyte_costs_a_tenth_of_a_millisecond() -> None:
    rows = [(ARTICLE * 6)[:1000]] * 5000
    languages_of(rows[:1])  # loads the model
    started = time.process_time()
    assert set(languages_of(rows)) == {"en"}
    assert time.process_time() - started < 5000 * 0.0002  # twice that, as machines differ


def test_the_examples_customers_write_in_the_five_languages_of_its_phrasebook() -> None:
    traffic = EXAMPLE / "traffic" / "messages.jsonl"
    lines = traffic.read_text(encoding="utf-8").splitlines()
    codes = languages_of([json.loads(line)["messages"][0]["content"] for line in lines])
    assert set(codes) == {"de", "en", "es", "fr", "sw", UNKNOWN}
    assert codes.count(UNKNOWN) < 0.01 * len(codes)
