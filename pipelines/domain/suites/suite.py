"""A task suite: items with expectations, in slices that are judged on their own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from quantgate.pipelines.domain.suites.adjudication import Adjudication
from quantgate.pipelines.domain.suites.anchor import AnchorLabel
from quantgate.pipelines.domain.suites.grader import GraderKind as GraderKind
from quantgate.pipelines.domain.suites.grader import GraderSpec as GraderSpec
from quantgate.pipelines.domain.suites.thoughts import FAMILIES, Thoughts
from quantgate.pipelines.domain.suites.turns import Loop
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One chat message, as OpenAI's chat format has it; `tool_calls` are an assistant's earlier calls.

    Arguments of calls are as the file says: an object, or JSON text as the API writes it.
    `reasoning_content` is what an assistant thought before it answered.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    name: str | None = None
    tool_calls: tuple[JsonObject, ...] = ()
    tool_call_id: str | None = None
    reasoning_content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSettings:
    """How answers are sampled; temperature 0 is greedy.

    `samples` answers are drawn of each item. `stop` are texts that end an answer and are not part of it.
    `constrained` binds an item's answer to its JSON schema by a grammar, where it has one.
    """

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    samples: int = 1
    stop: tuple[str, ...] = ()
    constrained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question. `expected` is what its grader compares with; `slices` names where it counts.

    `tools` are function definitions in OpenAI's form, offered through the model's own chat template.
    `schema` is the JSON schema (draft 2020-12) that the answer has to meet. A critical item may never
    break. Items of one `group` share their cause (one document, one conversation) and are not
    independent. `grader` and `decode` are the suite's where they are None. A raw item's text is completed
    as it stands, without a chat template. `template_variables` are laid over the suite's. An item with a
    `loop` is a conversation: `messages` open it, the model's own answers are put back into it, and
    `expected` is what its last answer has to meet.
    """

    id: str
    messages: tuple[Message, ...]
    expected: JsonValue
    slices: tuple[str, ...]
    tools: tuple[JsonObject, ...] = ()
    schema: JsonObject | None = None
    critical: bool = False
    group: str | None = None
    grader: GraderSpec | None = None
    decode: DecodeSettings | None = None
    raw: bool = False
    template_variables: JsonObject = field(default_factory=dict)
    loop: Loop | None = None

    @property
    def script(self) -> tuple[Message, ...]:
        """All that the suite says in this item: its messages, and what else users and tools say in a loop."""
        return (*self.messages, *(_scripted(self.loop) if self.loop else ()))


def _scripted(loop: Loop) -> tuple[Message, ...]:
    users = (turn.user for turn in loop.turns if turn.user is not None)
    results = (row.result for tool in loop.tools for row in tool.rows)
    return (
        *(Message(role="user", content=text) for text in users),
        *(Message(role="tool", content=text) for text in results),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceSpec:
    """A named subset. A critical slice tolerates no break at all."""

    name: str
    description: str
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Items in file order with one grader and one set of decode settings; `digest` covers all of it.

    `adjudications` are what people decided about answers, `anchors` their labels on answers that a judge
    model grades. They are not in the digest, because no answer depends on them: a new decision is a new
    verdict on the same run. `thoughts` says which marks of thoughts its answers may have.
    `template_variables` are handed to the model's chat template with every conversation, e.g.
    `{"enable_thinking": False}`; a build may lay its own over them.
    """

    name: str
    version: int
    description: str
    folder: Path
    digest: Digest
    grader: GraderSpec
    decode: DecodeSettings
    slices: tuple[SliceSpec, ...]
    items: tuple[Item, ...]
    adjudications: tuple[Adjudication, ...] = ()
    anchors: tuple[AnchorLabel, ...] = ()
    thoughts: Thoughts = FAMILIES
    template_variables: JsonObject = field(default_factory=dict)

    def variables_of(self, item: Item) -> JsonObject:
        """Return what the chat template is handed beside an item's conversation."""
        return {**self.template_variables, **item.template_variables}

    def grader_of(self, item: Item) -> GraderSpec:
        """Return which grader judges an item."""
        return item.grader or self.grader

    def graders_of(self, item: Item) -> tuple[GraderSpec, ...]:
        """Return the graders of an item: of its steps, where it is a loop, and of its end."""
        turns = item.loop.turns if item.loop is not None else ()
        steps = (step.grader for turn in turns for step in turn.steps)
        return (*(grader for grader in steps if grader is not None), self.grader_of(item))

    @property
    def grader_kinds(self) -> tuple[GraderKind, ...]:
        """Kinds of all graders that judge an item, in order of first use."""
        return tuple(
            dict.fromkeys(spec.kind for item in self.items for spec in self.graders_of(item))
        )

    def decode_of(self, item: Item) -> DecodeSettings:
        """Return how an item's answers are sampled."""
        return item.decode or self.decode
