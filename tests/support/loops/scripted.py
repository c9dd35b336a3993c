"""Loops for tests: a refund desk in three turns, and a runtime whose answers follow a rule."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.errors import WorkerError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.grader import GraderSpec
from quantgate.pipelines.domain.suites.suite import DecodeSettings, Item, Message, SliceSpec, Suite
from quantgate.pipelines.domain.suites.turns import (
    Loop,
    ResultRow,
    ScriptedStep,
    SimulatedTool,
    Turn,
)
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.engines.requests import AnswerRequest, Prompt
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.process.calls import OnProgress, RunWorker
from tests.support.fakes import FakeRuntime

CALL = GraderSpec(kind="tool_call")
CONTAINS = GraderSpec(kind="contains")


def call(name: str, **arguments: str) -> str:
    """Return a call as the JSON that models write."""
    return json.dumps({"name": name, "arguments": arguments})


def tool(name: str, *parameters: str) -> JsonObject:
    """Return a tool as an item offers it."""
    properties: JsonObject = {parameter: {"type": "string"} for parameter in parameters}
    return {"name": name, "parameters": {"type": "object", "properties": properties}}


def refund(number: int = 1, *, max_steps: int = 8) -> Item:
    """Ask, look up, ask back, act, confirm: five answers, three scripted steps and the end."""
    order = f"A-{number}"
    look_up: JsonObject = {"name": "find_order", "arguments": {"order_id": order}}
    act: JsonObject = {"name": "refund", "arguments": {"order_id": order, "reason": "broken"}}
    return Item(
        id=f"loop-{number}",
        messages=(Message(role="user", content=f"I want my money back for {order}."),),
        expected="refunded",
        slices=("loop",),
        tools=(tool("find_order", "order_id"), tool("refund", "order_id", "reason")),
        loop=Loop(
            turns=(
                Turn(
                    steps=(
                        ScriptedStep(expected=look_up, grader=CALL),
                        ScriptedStep(expected="why", grader=CONTAINS),
                    )
                ),
                Turn(
                    user="It broke.",
                    steps=(ScriptedStep(expected=act, grader=CALL, required=True),),
                ),
            ),
            tools=(
                SimulatedTool(
                    name="find_order",
                    rows=(ResultRow(arguments={"order_id": order}, result='{"status": "sent"}'),),
                ),
                SimulatedTool(
                    name="refund",
                    rows=(ResultRow(arguments={"order_id": order}, result="done"),),
                ),
            ),
            max_steps=max_steps,
        ),
    )


def refunding(number: int = 1) -> list[str]:
    """Return the answers that play `refund(number)` to its right end."""
    order = f"A-{number}"
    return [
        call("find_order", order_id=order),
        "May I ask why?",
        call("refund", order_id=order, reason="broken"),
        "It is refunded.",
    ]


def suite_with(*items: Item, samples: int = 1) -> Suite:
    """Return a suite of these items, in slice `loop`."""
    return Suite(
        name="desk",
        version=1,
        description="",
        folder=Path("desk"),
        digest=digest_of([to_json(item) for item in items]),
        grader=CONTAINS,
        decode=DecodeSettings(max_tokens=16, samples=samples),
        slices=(SliceSpec(name="loop", description=""),),
        items=items,
    )


def answers_of(item: Item, texts: list[str], *results: tuple[str, ...]) -> tuple[Answer, ...]:
    """Return texts as a loop's answers, with what tools said to each."""
    said = [*results, *[()] * (len(texts) - len(results))]
    return tuple(
        Answer(
            item_id=item.id if number == 1 else f"{item.id}#step{number}",
            text=text,
            token_ids=(number, 7),
            finish_reason="stop",
            prompt_tokens=10 * number,
            tool_results=result,
        )
        for number, (text, result) in enumerate(zip(texts, said, strict=True), start=1)
    )


Rule = Callable[[Prompt], str]
"""What is answered to a prompt."""


@dataclass
class RulingRuntime(FakeRuntime):
    """Answers every prompt by a rule, and remembers the prompts in the batches they came in."""

    rule: Rule = field(default=lambda prompt: "")
    batches: list[list[Prompt]] = field(default_factory=list)

    def answer(
        self, request: AnswerRequest, run_worker: RunWorker, on_progress: OnProgress
    ) -> None:
        """Append what the rule says to prompts that are not answered yet."""
        lines = request.answers.read_text().splitlines() if request.answers.exists() else []
        known = {json.loads(line)["item_id"] for line in lines}
        prompts = [_prompt(line) for line in request.prompts.read_text().splitlines()]
        self.batches.append([prompt for prompt in prompts if prompt.item_id not in known])
        with request.answers.open("a") as file:
            for prompt in self.batches[-1]:
                if self.stop_after is not None and len(self.asked) >= self.stop_after:
                    self.stop_after = None
                    raise WorkerError("was killed by SIGKILL", where="fake", log=request.log)
                self.asked.append(prompt.item_id)
                answer = Answer(
                    item_id=prompt.item_id,
                    text=self.rule(prompt),
                    token_ids=(1, 2),
                    finish_reason="stop",
                    prompt_tokens=len(prompt.token_ids),
                )
                file.write(json.dumps(to_json(answer)) + "\n")


def _prompt(line: str) -> Prompt:
    return from_json(Prompt, json.loads(line))
