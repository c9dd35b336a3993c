"""What is said to the process that renders chat templates, one JSON line each way."""

from dataclasses import dataclass, field
from typing import Literal

from quantgate.pipelines.domain.values import JsonObject

LimitKind = Literal["time", "memory", "size"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLimits:
    """What one conversation may take: processor time, address space of the process, characters written.

    Conversations of a million tokens stay far below all three. What is written may be `characters` of the
    template's own, and `times` what the conversation has. All of a template's conversations together may
    take `total_cpu_seconds`, unless each takes less than `slow_cpu_seconds` on the average; usual templates
    take a thousandth of that.
    """

    cpu_seconds: float = 2.0
    total_cpu_seconds: float = 60.0
    slow_cpu_seconds: float = 0.25
    memory_bytes: int = 1 << 30
    characters: int = 200_000
    times: int = 16

    def characters_for(self, conversation: int) -> int:
        """Return how many characters may be written for a conversation of so many."""
        return self.characters + self.times * conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderCall:
    """A conversation to render by the template that was sent under `key` before.

    `messages` and `tools` are as the template sees them; `ask` opens the assistant's turn,
    `continue_final` leaves the last message open instead. `variables` are the template's own, special
    tokens among them.
    """

    key: str
    messages: list[JsonObject]
    tools: list[JsonObject] | None = None
    ask: bool = True
    continue_final: bool = False
    variables: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderReply:
    """The rendered text, or why there is none.

    `problem` is the exception in words, `line` the template's line that raised it (0 where unknown) and `tag`
    the tag in it ("" where unknown), `limit` the limit that was reached, if it was one. `cpu_seconds` is what
    the conversation took.
    """

    text: str = ""
    problem: str | None = None
    line: int = 0
    tag: str = ""
    limit: LimitKind | None = None
    cpu_seconds: float = 0.0
