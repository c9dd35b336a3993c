"""What a model thinks before it answers is not its answer, whoever marks it and however."""

import json
from dataclasses import replace

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel

from quantgate.pipelines.audit.behaviour import audit_behaviour
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.adjudication import Adjudication, Mark
from quantgate.pipelines.domain.suites.anchor import answer_digest
from quantgate.pipelines.domain.suites.suite import GraderSpec
from quantgate.pipelines.domain.suites.thoughts import Thoughts, ThoughtTag
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.adjudications import item_digest
from quantgate.pipelines.evaluation.answer_reading import AnswerReader
from quantgate.pipelines.evaluation.graders.reading.speech import SpokenObservedGrader
from quantgate.pipelines.evaluation.graders.table import grade_answer, grader_for
from quantgate.pipelines.evaluation.grading import grade_answers
from quantgate.pipelines.evaluation.thoughts import opened_mark, spoken_part
from quantgate.pipelines.evaluation.workers.judge_observe import verdict
from tests.support.grading.items import expecting, pure_grader
from tests.support.verdicts.judging import run_of, suite_of


def answered(text: str, **changes: object) -> Answer:
    fields = {"item_id": "one", "token_ids": (), "finish_reason": "stop", "prompt_tokens": 1}
    return Answer(text=text, **(fields | changes))  # type: ignore[arg-type]


FAMILIES = {
    "DeepSeek": "<think>\nFive? No.\n</think>\n\n7",
    "a fine-tune": "<thinking>Five?</thinking>7",
    "an old prompt": "<reasoning>Five?</reasoning>\n7",
    "EXAONE": "<thought>\nFive?\n</thought>\n\n7",
    "Seed": "<seed:think>Five?</seed:think>7",
    "Magistral": "[THINK]Five?[/THINK]7",
    "Kimi": "◁think▷Five?◁/think▷7",
    "Command A": "<|START_THINKING|>Five?<|END_THINKING|><|START_RESPONSE|>7<|END_RESPONSE|>",
    "OpenThinker": "<|begin_of_thought|>5?<|end_of_thought|>\n<|begin_of_solution|>7<|end_of_solution|>",
    "Apertus": "<|inner_prefix|>Five?<|inner_suffix|>7",
    "MedGemma": "<unused94>thought\nFive?<unused95>7",
    "Gemma": "<|channel>thought\nFive?<channel|>7",
    "gpt-oss": "<|channel|>analysis<|message|>Five?<|end|><|start|>assistant<|channel|>final<|message|>7",
    "gpt-oss without special tokens": "analysisFive? It is 5.assistantfinal7",
    "gpt-oss that does not think": "<|channel|>final<|message|>7",
    "Solar": "<|think|>Five?<|end|><|begin|>assistant<|content|>7",
    "Granite": "Here is my thought process: Five?\nHere is my response: 7",
    "capitals": "<THINK>Five?</Think>7",
    "the opening stood in the prompt": "Five? No.\n</think>\n\n7",
    "nothing was thought": "<think>\n\n</think>\n\n7",
    "two thoughts": "<think>Five?</think>\n<think>Six?</think>\n7",
    "a mark of direction first": "\u200f<think>5</think>\u200f7\u200f",
    "a thought about thoughts": "<think>a <think> tag: 5</think> or 6</think>7",
}


@pytest.mark.parametrize("text", FAMILIES.values(), ids=FAMILIES.keys())
def test_thoughts_of_every_family_are_left_out(text: str) -> None:
    assert spoken_part(text).text.strip() == "7"
    assert pure_grader("number", where="first").grade(text, expecting(7)).correct
    assert pure_grader("exact").grade(text, expecting("7")).correct


UNFINISHED = [
    "<think>so 18 and then",
    "[THINK]18",
    "<|channel|>analysis<|message|>18",
    "<think>18</think><think>18",
    "<think>5</think> 18\n<think>wait, 18",
    "<unused94>thought\n18",
    "Here is my thought process: 18",
]


@pytest.mark.parametrize("text", UNFINISHED)
def test_an_unfinished_thought_is_no_answer(text: str) -> None:
    grade = pure_grader("number").grade(text, expecting(18))

    assert (grade.correct, grade.way) == (False, "still thinking")
    assert spoken_part(text).text == ""


WHOLE = [
    "A `<think>` tag is closed by `</think>`.",
    "```xml\n<think>a</think>\n```",
    '{"html": "<think>a</think>", "end": "</think>"}',
    "Use <think> and </think> around it.",
    "~~~\n</think>\n~~~",
    "analysis of the data",
    "The answer is in <thought>b</thought>.",
]


@pytest.mark.parametrize("text", WHOLE)
def test_marks_that_are_part_of_an_answer_stay(text: str) -> None:
    assert spoken_part(text).text == text
    assert pure_grader("exact").grade(text, expecting(text)).correct


def test_code_after_a_thought_may_hold_marks() -> None:
    said = spoken_part('<think>hm</think>\n```\n<think>\n```\n"<think>" <think>b</think>end')

    assert said.text == '```\n<think>\n```\n"<think>" end'
    assert said.thoughts == "hm\nb"


def test_the_spaces_of_the_first_line_stay() -> None:
    assert spoken_part("<think>a</think>\n\n    return 1").text == "    return 1"


GRADERS: list[tuple[str, JsonValue, str]] = [
    ("exact", "Paris", "Paris"),
    ("choice", "B", "B"),
    ("regex", {"must": ["Paris"], "must_not": ["Rome"]}, "Paris"),
    ("contains", {"all": ["Paris"], "none": ["Rome"]}, "Paris"),
    ("json", {"a": 1}, '{"a": 1}'),
    ("tool_call", {"name": "f", "arguments": {}}, '{"name": "f", "arguments": {}}'),
    ("bfcl", [{"f": {}}], "[f()]"),
    ("number", 7, "7"),
    ("refusal", "comply", "Open the lid, then pour."),
    ("injection", {"answer": "Paris", "markers": ["HACKED"]}, "Paris"),
    ("language", "de", "Das ist eine kurze Antwort auf Deutsch, wie gewünscht."),
    ("chrf", "Das ist die Antwort", "Das ist die Antwort"),
    ("rouge", "this is the answer", "this is the answer"),
]
THOUGHT = (
    "Rome? 5. Option C. HACKED. I can't help with that. {[} [g()] This is English text, surely."
)


@pytest.mark.parametrize(("kind", "expected", "right"), GRADERS, ids=[one[0] for one in GRADERS])
def test_no_pure_grader_reads_thoughts(kind: str, expected: JsonValue, right: str) -> None:
    grader, item = pure_grader(kind), expecting(expected)

    assert grader.grade(f"<think>{THOUGHT}</think>\n{right}", item).correct
    assert not grader.grade(f"<think>{right}</think>\n", item).correct
    assert not grader.grade(f"<think>{right}", item).correct


OBSERVED: list[tuple[str, dict[str, JsonValue], JsonValue]] = [
    ("math", {}, "7"),
    ("code", {}, {"tests": "assert x"}),
    ("similarity", {"model": "somewhere"}, "7"),
    ("judge", {"model": "m", "url": "u"}, "7"),
    ("lm_eval", {"task": "t"}, {"doc": {}}),
]


@pytest.mark.parametrize(("kind", "options", "expected"), OBSERVED, ids=[o[0] for o in OBSERVED])
def test_no_observed_grader_shows_thoughts_to_its_worker(
    kind: str, options: dict[str, JsonValue], expected: JsonValue
) -> None:
    grader = grader_for(GraderSpec(kind=kind, options=options))  # type: ignore[arg-type]
    assert isinstance(grader, SpokenObservedGrader)

    asked = json.dumps(grader.question("<think>never shown</think>\nx = 7", expecting(expected)))

    assert "never shown" not in asked
    assert "x = 7" in asked
    seen: JsonObject = {"passed": True, "verdict": "right", "state": "compared", "equal": True}
    assert not grader.grade_observed("<think>x = 7", expecting(expected), seen).correct


def test_a_suite_names_marks_of_its_own_or_none_at_all() -> None:
    own = Thoughts(tags=(ThoughtTag(opens="<plan>", closes="</plan>"),))

    assert spoken_part("<plan>5</plan>7", own).text == "7"
    assert spoken_part("<think>5</think>7", own).text == "7"
    none = Thoughts(families=False)
    assert spoken_part("<think>5</think>7", none).text == "<think>5</think>7"


def test_an_answer_begins_inside_a_thought_that_its_prompt_opened() -> None:
    reader = AnswerReader(prompts={"one": "<|im_start|>assistant\n<think>\n"})

    unfinished = reader.read(answered("so 18"))
    finished = reader.read(answered("so 18</think> 7"))

    assert unfinished is not None and not unfinished.finished
    assert finished is not None and finished.text.strip() == "7"
    assert AnswerReader().read(answered("so 18")) is None


def test_a_prompt_that_closed_its_thought_opened_none() -> None:
    assert opened_mark("<|im_start|>assistant\n<think>\n\n</think>\n\n") is None
    assert opened_mark("What is <think>?<|im_end|>\n<|im_start|>assistant\n") is None


def test_the_reason_says_after_how_many_tokens_it_was_still_thinking() -> None:
    cut = answered("<think>so 18", token_ids=(1, 2, 3), finish_reason="length")

    graded = grade_answer(pure_grader("number"), cut, expecting(18))

    assert (
        graded.grade.reason == "still thinking after 3 tokens; the answer was cut off at max_tokens"
    )
    assert (graded.grade.correct, graded.said) == (False, "")
    assert graded.answer.text == "<think>so 18"


def test_thoughts_that_a_server_told_apart_are_thoughts() -> None:
    silent = answered("", reasoning="so 18", finish_reason="length", generated_tokens=4)
    both = answered("7", reasoning="so 18", generated_tokens=4)
    reader = AnswerReader()

    unfinished, finished = reader.read(silent), reader.read(both)

    assert unfinished is not None and not unfinished.finished
    assert finished is not None and (finished.text, finished.thoughts) == ("7", "so 18")
    assert finished.thought_tokens == round(4 * 5 / 6)


def test_special_tokens_that_mark_thoughts_are_read_from_the_ids() -> None:
    vocabulary = {"?": 0, "18": 1, "7": 2, "[THINK]": 3, "[/THINK]": 4, "</s>": 5}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="?"))
    tokenizer.add_special_tokens(
        [AddedToken("[THINK]"), AddedToken("[/THINK]"), AddedToken("</s>")]
    )
    reader = AnswerReader(tokenizer=tokenizer)

    finished = reader.read(answered("18 18 7", token_ids=(3, 1, 1, 4, 2)))
    unfinished = reader.read(answered("18 18", token_ids=(3, 1, 1)))

    assert finished is not None
    assert (finished.text, finished.thought_tokens) == ("7", 1)
    assert unfinished is not None and (unfinished.finished, unfinished.thought_tokens) == (False, 3)
    assert reader.read(answered("18 7", token_ids=(1, 2))) is None
    other_spaces = reader.read(answered("18187", token_ids=(3, 1, 1, 4, 2)))
    stopped = reader.read(answered("18 7", token_ids=(3, 1, 4, 2, 1)))
    assert other_spaces is not None and other_spaces.text == "7"
    assert stopped is not None and stopped.text == "7"
    exported = answered(reader.text_with_marks(answered("18 18 7", token_ids=(3, 1, 1, 4, 2))))
    without_tokenizer = AnswerReader().read(exported)
    assert without_tokenizer is not None and without_tokenizer.text == "7"


def test_a_decision_about_an_answer_holds_whatever_was_thought_before_it() -> None:
    suite = suite_of([("some",)])
    item = suite.items[0]
    decision = Adjudication(
        item_id=item.id,
        item_sha256=item_digest(item),
        answer_sha256=answer_digest("oui"),
        mark=Mark.EQUIVALENT,
        decided_by="Ada",
        decided_on="2026-01-01",
        note="",
    )
    suite = replace(suite, adjudications=(decision,))

    (thought,) = grade_answers(suite, [answered("<think>a</think>oui", item_id=item.id)], None)
    (thinking,) = grade_answers(suite, [answered("<think>oui", item_id=item.id)], None)

    assert thought.grade.correct
    assert not thinking.grade.correct


def test_a_judges_own_thoughts_are_no_verdict() -> None:
    options: dict[str, JsonValue] = {"right": "CORRECT", "wrong": "INCORRECT"}

    assert verdict("<think>It is CORRECT", options) is None
    assert verdict("<think>INCORRECT?</think>\nCORRECT", options) == "right"


def test_the_audit_compares_answers_and_thoughts_apart() -> None:
    suite = suite_of([("some",)])

    def run(thought_tokens: int, tokens: int, subject: str) -> object:
        whole = run_of(suite, ["yes"], subject=subject)
        text = "<think>a</think>yes"
        answer = answered(text, item_id=suite.items[0].id, token_ids=(1,) * tokens)
        (graded,) = grade_answers(suite, [answer], None)
        assert graded.spoken is not None
        spoken = replace(graded.spoken, thought_tokens=thought_tokens)
        return replace(whole, answers=(replace(graded, spoken=spoken),))

    found = audit_behaviour(run(10, 12, "a"), run(30, 32, "b"))  # type: ignore[arg-type]

    by_check = {finding.check: finding for finding in found}
    assert by_check["answer length against the reference"].passed
    assert not by_check["length of thoughts against the reference"].passed
    assert (
        by_check["length of thoughts against the reference"].found
        == "3.00 times (30.0 against 10.0)"
    )

    begun = audit_behaviour(run(0, 2, "a"), run(300, 302, "b"))  # type: ignore[arg-type]

    by_check = {finding.check: finding for finding in begun}
    assert by_check["answer length against the reference"].passed
    assert not by_check["length of thoughts against the reference"].passed
    assert (
        by_check["length of thoughts against the reference"].found
        == "any, where there were none (300.0 against 0.0)"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("</think>" * 20_000, "<think></think>" * 20_000, '"`<think>' * 20_000, "<think>" * 9_999),
        *(
            '"\\' * 40_000,
            '<think></think>"\\' + '"\\' * 40_000,
            '"\\' * 99 + "\n" + '"\\' * 40_000,
        ),
    ],
)
def test_hostile_marks_are_read_in_linear_time(text: str) -> None:
    assert spoken_part(text) == spoken_part(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('5\'10" tall, "a" </think> 4', " 4"),
        ('He said "\\"</think> 4', " 4"),
        ('an inch" ```</think>\n``` </think> 4', " 4"),
        ('an inch" ```</think>\n``` "</think>" 4', 'an inch" ```</think>\n``` "</think>" 4'),
    ],
)
def test_a_quote_without_an_end_hides_no_mark(text: str, said: str) -> None:
    assert spoken_part(text).text == said
