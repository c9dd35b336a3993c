"""Languages and scripts: drift is named, code and names are none."""

# ruff: noqa: RUF001 - the characters are what texts are written in

import pytest

from quantgate.pipelines.language.model import likelihoods
from quantgate.pipelines.language.scripts import LANGUAGES
from tests.support.grading.items import expecting, pure_grader

LANGUAGE = pure_grader("language")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("de", "Das ist ein guter Satz auf Deutsch."),
        ("de", "Ja."),
        ("de", "```python\nprint('hello world, how are you')\n```\nDas gibt einen Gruß aus."),
        ("de", "Siehe https://example.org/the/best/answer/of/all/is/here und schreibe mir."),
        ("ru", "Используйте GitHub Actions и Docker для сборки проекта."),
        ("zh", "你好，今天天气很好，我们用 Python 写程序。"),
        ("ja", "はい、そうです。今日は天気がいいですね。"),
        ("ko", "안녕하세요, 반갑습니다."),
        ("sr-Latn", "Danas je lep dan i idemo u školu."),
        ("Cyrl", "Привет"),
        ({"language": "sr", "script": "Cyrl"}, "Данас је леп дан и идемо у школу."),
        (["fr", "de"], "Das ist ein guter Satz auf Deutsch."),
        ("no", "Jeg vil gjerne ha en kopp kaffe, takk."),
        ("hi", "आज मौसम बहुत अच्छा है और हम बाहर जा रहे हैं।"),
    ],
)
def test_an_answer_in_the_expected_language_is_right(expected: object, text: str) -> None:
    graded = LANGUAGE.grade(text, expecting(expected))  # type: ignore[arg-type]

    assert graded.correct, graded.reason


@pytest.mark.parametrize(
    ("expected", "text", "reason"),
    [
        ("de", "This answer is in English all along.", "100% is not de: en in"),
        (
            "de",
            "Das ist ein guter Satz. The rest of this answer drifted into plain English.",
            "is not de: en in 'The rest",
        ),
        (
            "ru",
            "Используйте этот метод, because it is much better than the others.",
            "of the letters are not ru, most of those Latn",
        ),
        ("ja", "你好，今天天气很好，我们去公园。", "is not ja: zh in"),
        ("sr-Latn", "Данас је леп дан", "not sr-Latn, most of those Cyrl"),
        ("de", "", "no words whose language"),
        ("de", "42 !!", "no words whose language"),
        ("de", "```\nsome code only\n```", "no words whose language"),
    ],
)
def test_drift_is_wrong_and_named(expected: str, text: str, reason: str) -> None:
    graded = LANGUAGE.grade(text, expecting(expected))

    assert not graded.correct
    assert reason in graded.reason


def test_shares_of_script_and_language_are_facets() -> None:
    graded = LANGUAGE.grade("Привет мир abcde", expecting("Cyrl"))

    assert [facet.name for facet in graded.facets] == ["script", "language"]
    assert graded.facets[0].score == pytest.approx(9 / 14)
    assert not graded.correct
    assert (
        pure_grader("language", min_share=0.6).grade("Привет мир abcde", expecting("Cyrl")).correct
    )


def test_every_language_is_one_that_the_identifier_tells() -> None:
    assert set(likelihoods("x")) >= LANGUAGES


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ("German", "it is not a language code"),
        ("qq", "'qq' is none that can be told"),
        ("Qqqq", "'Qqqq' is none that can be told"),
        ("de-Cyrl", "'de' is not written in 'Cyrl'"),
        ([], "is empty"),
        (3, "it is not a language code"),
        ({"lang": "de"}, "unknown key 'lang'"),
    ],
)
def test_expectations_that_can_never_be_met_are_named(expected: object, problem: str) -> None:
    assert problem in str(LANGUAGE.problem(expecting(expected)))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["\ud800 Das ist gut und schön so.", "a" * 100_000, "x@" * 50_000])
def test_no_answer_raises(text: str) -> None:
    assert LANGUAGE.grade(text, expecting("ru")).correct is False
