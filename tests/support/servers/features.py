"""What every real server has to do with what it is sent."""

import json
from dataclasses import replace
from typing import Any

from quantgate.pipelines.domain.server import PromptForm
from quantgate.pipelines.engines.requests import Prompt
from tests.support.servers.desk import Desk

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["cat", "dog"]}},
    "required": ["kind"],
    "additionalProperties": False,
}


def answers_are(desk: Desk, ours: str, asked: dict[str, Any], *, near_ties: int) -> None:
    """Answers equal those of a runtime of ours, but for as many as another layout of batches may turn."""
    own = desk.ask(ours, desk.request("ours"))
    assert set(asked) == set(own) == {prompt.item_id for prompt in desk.prompts}
    equal = [name for name in own if own[name]["text"] == asked[name]["text"]]
    assert len(equal) >= len(own) - near_ties
    for name in equal:
        told = ("token_ids",) if asked[name]["token_ids"] else ()
        same = ("finish_reason", "prompt_tokens", *told)
        assert [own[name][key] for key in same] == [asked[name][key] for key in same]


def forms_agree(desk: Desk, forms: tuple[PromptForm, ...]) -> None:
    """Texts, messages and what is no conversation are read as the first form is."""
    raw = replace(desk.prompts[0], item_id="raw", chat=None)  # what is no conversation is completed
    said = [
        {
            name: row["text"]
            for name, row in desk.ask_otherwise(
                f"form-{form}", (*desk.prompts[:8], raw), prompts=form
            ).items()
        }
        for form in forms
    ]
    assert len(said[0]) == 9
    assert all(texts == said[0] for texts in said)


def samples_come_again(desk: Desk, prompt: Prompt) -> None:
    """Samples of a prompt differ, and come again with their seed."""
    prompts = tuple(
        replace(prompt, item_id=name, temperature=prompt.temperature or 1.5, max_tokens=24)
        for name in ("one", "one#2", "one#3")
    )
    texts = [
        {
            name: row["text"]
            for name, row in desk.ask_otherwise(f"samples-{turn}", prompts, concurrency=1).items()
        }
        for turn in range(2)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts[0].values())) == 3


def stops_and_limits_hold(desk: Desk) -> dict[str, Any]:
    """A stop text ends an answer and is no part of it; a limit is told."""
    first = desk.prompts[0]
    prompts = (
        replace(first, item_id="stopped", stop=('"arguments"',)),
        replace(first, item_id="cut", max_tokens=3),
    )
    answers = desk.ask_otherwise("stopped", prompts)
    assert answers["stopped"]["text"].startswith('{"name"')
    assert "arguments" not in answers["stopped"]["text"]
    assert answers["stopped"]["finish_reason"] == "stop"
    assert answers["cut"]["finish_reason"] == "length"
    return answers


def a_schema_binds(desk: Desk, **changes: Any) -> None:
    """An answer that is bound to a schema obeys it."""
    prompt = replace(desk.prompts[0], item_id="bound", schema=json.dumps(SCHEMA))
    answers = desk.ask_otherwise(
        "-".join(["bound", *map(str, changes.values())]), (prompt,), **changes
    )
    assert json.loads(answers["bound"]["text"])["kind"] in ("cat", "dog")


def tools_and_variables_reach_the_template(desk: Desk) -> dict[str, Any]:
    """Its own chat template writes out what ours does: the server's count of tokens is the witness."""
    prompts = desk.with_tools()
    plain = {prompt.item_id: prompt for prompt in desk.prompts}
    assert all("refund_order" in prompt.text and "polite" in prompt.text for prompt in prompts)
    assert not any("polite" in prompt.text for prompt in plain.values())
    answers = desk.ask_otherwise("tools", prompts, prompts="chat")
    assert {row["prompt_tokens"] for row in answers.values()} == {
        len(prompt.token_ids) for prompt in prompts
    }
    return answers
