"""Items stretched with distractor text: lengths, depths, languages, identity."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Suite
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.prompts import suite_prompts
from quantgate.pipelines.language.identify import languages_of
from quantgate.pipelines.language.scripts import is_low_resource
from quantgate.pipelines.suites.filler import BuiltInFiller
from quantgate.pipelines.suites.load import load_suite
from quantgate.pipelines.suites.long_context import length_tokens
from tests.support.fakes import write_tokenizer

HEAD = (
    "name: demo\nversion: 1\ngrader: exact\ndecode: {max_tokens: 8}\nslices: {easy: {}, hard: {}}\n"
)
ITEMS = (
    '{"id": "a", "prompt": "What is the sum of two and three?", "expected": "5", "slices": ["easy"]}\n'
    '{"id": "b", "prompt": "Wie heißt der Fluss, der durch Köln fließt?", "expected": "Rhein", '
    '"slices": ["hard"], "group": "rivers", "critical": true}\n'
)


def stretch(folder: Path, long_context: str) -> Suite:
    (folder / "suite.yaml").write_text(f"{HEAD}long_context: {long_context}\n")
    (folder / "items.jsonl").write_text(ITEMS)
    return load_suite(folder)


def content(suite: Suite, item_id: str) -> str:
    return next(item for item in suite.items if item.id == item_id).messages[-1].content


def test_items_are_stretched_in_slices_of_their_own_and_grouped_with_their_originals(
    tmp_path: Path,
) -> None:
    suite = stretch(tmp_path, "{lengths: [1k, 8k], depths: [0.5, 1]}")
    assert [item.id for item in suite.items][2:6] == ["a+1k@0.5", "a+1k@1", "b+1k@0.5", "b+1k@1"]
    assert [one.name for one in suite.slices] == ["easy", "hard", "long_1k", "long_8k"]
    by_id = {item.id: item for item in suite.items}
    assert by_id["a+8k@1"].slices == ("long_8k",)
    assert by_id["a"].group == by_id["a+8k@1"].group == "a", "one question is one piece of evidence"
    assert by_id["b+1k@1"].group == "rivers"
    assert by_id["b+1k@1"].critical and by_id["b+1k@1"].expected == "Rhein"


def test_the_question_stands_where_the_depth_says(tmp_path: Path) -> None:
    suite = stretch(tmp_path, "{lengths: [2k], depths: [0, 0.1, 0.5, 0.9, 1], slices: [easy]}")
    question = "What is the sum of two and three?"
    for depth in (0, 0.1, 0.5, 0.9, 1):
        text = content(suite, f"a+2k@{depth:g}")
        assert text.count(question) == 1
        before = text.index(question) / (len(text) - len(question))
        assert before == pytest.approx(depth, abs=0.02)


@pytest.mark.parametrize("length", ["1k", "8k", "64k"])
def test_a_length_is_filled_and_never_exceeded(tmp_path: Path, length: str) -> None:
    suite = stretch(tmp_path, f"{{lengths: [{length}], slices: [easy]}}")
    tokens = len(content(suite, f"a+{length}@1")) / 4
    room = length_tokens(length) - suite.decode.max_tokens - 64
    assert 0.97 * room <= tokens <= room


def test_with_a_tokenizer_lengths_are_its_tokens(tmp_path: Path) -> None:
    """The test's tokenizer has a token a byte, so that counting by characters would be four times off."""
    model = tmp_path / "model"
    model.mkdir()
    write_tokenizer(model)
    suite = stretch(tmp_path, "{lengths: [2k], tokenizer: model}")
    chat = ChatFormat.of(model)
    for item in suite.items[2:]:
        rendered = len(chat.token_ids(chat.render(item.messages, ask=True)))
        assert 0.93 * 2048 <= rendered + suite.decode.max_tokens <= 2048


def test_distractors_are_in_the_items_language_and_ask_nothing(tmp_path: Path) -> None:
    suite = stretch(tmp_path, "{lengths: [1k]}")
    assert languages_of([content(suite, "a+1k@1")]) == ["en"]
    german = content(suite, "b+1k@1").removesuffix("Wie heißt der Fluss, der durch Köln fließt?")
    assert languages_of([german]) == ["de"]
    assert "?" not in german and not any(letter.isdigit() for letter in german)


@pytest.mark.parametrize(
    "language", ["en", "de", "fr", "es", "pt", "it", "nl", "sw", "ru", "zh", "ja", "hi", "ar"]
)
def test_built_in_distractors_are_in_the_language_they_are_filed_under(language: str) -> None:
    filler = BuiltInFiller().of(language, "seed")
    text = filler.join.join(next(filler.pieces) for _ in range(40))
    assert languages_of([text]) == [language]
    assert is_low_resource(language) == (language in ("sw", "hi"))


def test_the_same_seed_makes_the_same_text_and_another_seed_another(tmp_path: Path) -> None:
    first = stretch(tmp_path, "{lengths: [1k]}")
    assert stretch(tmp_path, "{lengths: [1k]}").digest == first.digest
    other = stretch(tmp_path, "{lengths: [1k], seed: 1}")
    assert other.digest != first.digest
    assert content(other, "a+1k@1") != content(first, "a+1k@1")


def test_a_file_of_the_users_own_is_taken_for_distractors(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("alpha beta.\n\ngamma delta.\n")
    suite = stretch(tmp_path, "{lengths: [1k], distractors: notes.txt, slices: [easy]}")
    words = set(content(suite, "a+1k@1").removesuffix("What is the sum of two and three?").split())
    assert words == {"alpha", "beta.", "gamma", "delta."}
    (tmp_path / "chats.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "epsilon"}, {"role": "assistant", "content": "no"}]}\n'
        '{"text": "zeta"}\n'
    )
    suite = stretch(tmp_path, "{lengths: [1k], distractors: chats.jsonl, slices: [easy]}")
    words = set(content(suite, "a+1k@1").removesuffix("What is the sum of two and three?").split())
    assert words == {"epsilon", "zeta"}


def test_a_long_paragraph_is_cut_to_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("word " * 5000)
    suite = stretch(tmp_path, "{lengths: [1k], distractors: notes.txt, slices: [easy]}")
    assert 0.9 * 952 <= len(content(suite, "a+1k@1")) / 4 <= 952


def test_a_model_without_room_is_told_which_lengths_fit_it(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    write_tokenizer(model)
    suite = stretch(tmp_path, "{lengths: [8k, 64k], tokenizer: model}")
    assert suite_prompts(suite, ChatFormat.of(model), 65536).digest
    with pytest.raises(InputError) as caught:
        suite_prompts(suite, ChatFormat.of(model), 32768)
    assert caught.value.next_step == (
        "long_context: 64k exceeds the model's context of 32,768 tokens; "
        "lengths that fit: 8k, 16k, 32k"
    )


def test_as_many_items_are_drawn_as_are_asked_for(tmp_path: Path) -> None:
    suite = stretch(tmp_path, "{lengths: [1k], take: 1}")
    assert len([item for item in suite.items if "long_1k" in item.slices]) == 1
    untouched = [item for item in suite.items if item.id == "a" or item.id == "b"]
    assert len([item for item in untouched if item.group in ("a", "rivers")]) >= 1


@pytest.mark.parametrize(
    ("long_context", "problem"),
    [
        ("{lengths: [8kb]}", "'8kb' is not a length like 8k or 8192"),
        ("{lengths: [8k], depths: [2]}", "a depth lies between 0"),
        ("{lengths: [8k], slices: [esay]}", "slice 'esay' has no items (did you mean 'easy'?)"),
        ("{lengths: [8k], distractors: none.txt}", "cannot be read"),
        ("{lengths: [8k], tokenizer: nowhere}", "long_context.tokenizer cannot be read"),
        ("{lengths: [16]}", "2 items fill 16 by themselves"),
        ("{length: [8k]}", "unknown key 'long_context.length' (did you mean 'lengths'?)"),
    ],
)
def test_what_cannot_be_stretched_is_refused(
    tmp_path: Path, long_context: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        stretch(tmp_path, long_context)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "und"),
        ("12345 :-)", "und"),
        ("Lormel wants a call back about a warranty question, Thursday at 10:20.", "en"),
        ("Bonjour, Veuillez envoyer KYS-0629436 en cadeau à Kården.", "fr"),
        ("東京の天気はどうですか", "ja"),
        ("北京的天气怎么样", "zh"),
        ("আজকের আবহাওয়া কেমন", "bn"),
    ],
)
def test_languages_of_short_questions_are_told(text: str, language: str) -> None:
    assert languages_of([text]) == [language]
