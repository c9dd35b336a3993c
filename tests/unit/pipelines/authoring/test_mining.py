"""Proposing items from traffic: what is read, how rows are ranked and mixed, what is written."""

import json
from pathlib import Path

import pytest

from quantgate.calibration.sources.traffic import read_traffic
from quantgate.pipelines.authoring.candidates import SuiteCandidate, Traffic
from quantgate.pipelines.authoring.choosing import choose
from quantgate.pipelines.authoring.draft import write_draft
from quantgate.pipelines.authoring.mine import Mined
from quantgate.pipelines.authoring.signals import Ranking, cheap_rankings, margins_ranking
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.engines.margins import AnswerMargin
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.suites.load import examine_suite, load_suite
from tests.support.fakes import write_tokenizer


def chat(folder: Path) -> ChatFormat:
    model = folder / "model"
    model.mkdir()
    write_tokenizer(model)
    return ChatFormat.of(model)


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def log(folder: Path, *rows: object) -> Path:
    path = folder / "traffic.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def candidate(source: str, question: str, tokens: tuple[int, ...] = (1,)) -> SuiteCandidate:
    return SuiteCandidate(
        source=source,
        messages=(Message(role="user", content=question),),
        tools=(),
        question=question,
        token_ids=tokens,
    )


def margin(source: str, smallest: float) -> AnswerMargin:
    return AnswerMargin(
        item_id=source,
        answer=f"answer to {source}",
        smallest=smallest,
        position=2,
        chosen="a",
        runner_up="b",
        decisions=5,
    )


def text_of(token_ids: object) -> str:
    return "t"


def test_a_row_asks_what_its_user_asked_last_and_logs_may_hold_more_than_we_read(
    tmp_path: Path,
) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}], "refusal": None}
    path = log(
        tmp_path,
        {"id": 7, "messages": [user("first"), calls, user("second"), calls], "model": "x"},
        {"messages": [calls]},
        {"messages": [user("SECOND!")]},
        {"prompt": "third", "tools": [{"name": "f"}]},
        {"text": "fourth"},
        {"messages": [user("long " * 100)]},
    )
    traffic = read_traffic(path, chat(tmp_path), room_tokens=200)
    assert [(one.source, one.question) for one in traffic.candidates] == [
        ("7", "second"),
        ("traffic:4", "third"),
        ("traffic:5", "fourth"),
    ]
    assert [message.role for message in traffic.candidates[0].messages] == [
        "user",
        "assistant",
        "user",
    ]
    assert traffic.candidates[1].tools == ({"name": "f"},)
    assert (traffic.rows, traffic.repeated, traffic.unasked, traffic.too_long) == (6, 1, 1, 1)


def test_traffic_that_asks_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row asks anything"):
        read_traffic(log(tmp_path, {"messages": []}), chat(tmp_path), room_tokens=200)
    with pytest.raises(InputError, match="line 1: is not valid JSON"):
        (tmp_path / "traffic.jsonl").write_text("not json\n")
        read_traffic(tmp_path / "traffic.jsonl", ChatFormat.of(tmp_path / "model"), 200)


def test_the_smallest_margin_comes_first_and_unmeasured_rows_are_not_ranked() -> None:
    rows = [candidate(name, name) for name in "abc"]
    ranking = margins_ranking(rows, {"a": margin("a", 2.0), "c": margin("c", 0.25)})
    assert ranking.order == (2, 0)
    assert ranking.why[2] == "margin 0.250 at token 3 of 5: 'a' over 'b'"


def test_rows_are_ranked_by_rare_tokens_length_language_and_digits() -> None:
    rows = [
        candidate("plain", "please send me the parcel in the morning", (1, 1, 1, 2)),
        candidate("again", "please send the parcel to me in the evening", (1, 1, 1, 2)),
        candidate("rare", "please send the parcel to the Ðórsvík", (1, 1, 1, 9)),
        candidate("long", "please send the parcel to me and the letter", (1,) * 9 + (2,)),
        candidate("swahili", "tafadhali nataka kutoka kwa posta ya kawaida", (1, 1, 1, 2)),
        candidate("digits", "please send the parcel 123456789", (1, 1, 1, 2)),
    ]
    first = {one.slice: rows[one.order[0]].source for one in cheap_rankings(rows, text_of)}
    assert first == {
        "rare_tokens": "rare",
        "long": "long",
        "rare_language": "swahili",
        "digits": "digits",
    }


def ranking(name: str, share: float, order: tuple[int, ...]) -> Ranking:
    why = tuple(f"{name} {index}" for index in range(100))
    return Ranking(slice=name, description=name, share=share, order=order, why=why)


def words(number: int) -> str:
    return " ".join(f"w{number}x{n}" for n in range(6))


def test_every_criterion_fills_its_quota_with_what_no_other_took() -> None:
    rows = [candidate(str(n), words(n)) for n in range(40)]
    thin = ranking("thin", 0.6, tuple(range(40)))
    long = ranking("long", 0.4, tuple(range(40)))
    chosen = choose(rows, [thin, long], 10)
    assert [one.candidate.source for one in chosen] == [str(n) for n in range(10)]
    assert [one.slices[0] for one in chosen] == ["thin"] * 6 + ["long"] * 4
    assert chosen[0].slices == ("thin", "long"), "it is in the first tenth of both"
    assert chosen[0].why == ("thin 0", "long 0")


def test_near_duplicates_are_passed_over_while_others_are_left() -> None:
    rows = [
        candidate("0", "one two three four five"),
        candidate("1", "one two three four five six"),
    ]
    rows += [candidate(str(n), words(n)) for n in range(2, 4)]
    thin = ranking("thin", 1.0, (0, 1, 2, 3))
    assert [one.candidate.source for one in choose(rows, [thin], 3)] == ["0", "2", "3"]
    assert len(choose(rows, [thin], 9)) == 4, "with fewer rows than asked for, all are taken"


def mined(rows: list[SuiteCandidate]) -> Mined:
    thin = ranking("thin", 1.0, tuple(range(len(rows))))
    return Mined(
        model="m",
        traffic=Traffic(candidates=tuple(rows), rows=len(rows), repeated=0, unasked=0, too_long=0),
        chosen=choose(rows, [thin], len(rows)),
        rankings=(thin,),
        margins={one.source: margin(one.source, 0.5) for one in rows},
        max_tokens=32,
    )


def test_a_draft_says_why_and_is_a_suite_once_its_expectations_are_written(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "my draft"
    write_draft(mined([candidate("t-1", words(1)), candidate("t-2", words(2))]), folder)
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    assert rows[0]["expected"] is None
    assert rows[0]["draft"] == {"answer": "answer to t-1", "why": ["thin 0"], "source": "t-1"}
    examined = examine_suite(folder)
    assert examined.drafts == {"mined-001", "mined-002"}
    with pytest.raises(InputError, match="line 1 and 1 more: a draft without an expectation"):
        load_suite(folder)
    text = (folder / "items.jsonl").read_text().replace('"expected": null', '"expected": "x"')
    (folder / "items.jsonl").write_text(text)
    suite = load_suite(folder)
    assert (suite.name, [one.name for one in suite.slices]) == ("my-draft", ["thin"])


def test_no_suite_is_overwritten(tmp_path: Path) -> None:
    rows = [candidate("t-1", words(1))]
    write_draft(mined(rows), tmp_path)
    with pytest.raises(InputError, match="nothing is overwritten"):
        write_draft(mined(rows), tmp_path)


def test_what_a_draft_says_of_itself_is_not_in_the_digest(tmp_path: Path) -> None:
    write_draft(mined([candidate("t-1", words(1))]), tmp_path)
    items = tmp_path / "items.jsonl"
    items.write_text(items.read_text().replace('"expected": null', '"expected": "x"'))
    digest = load_suite(tmp_path).digest
    items.write_text(items.read_text().replace("answer to t-1", "another"))
    assert load_suite(tmp_path).digest == digest
