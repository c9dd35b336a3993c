"""Suite folders: `suite.yaml` beside its items."""

from collections import Counter
from pathlib import Path
from typing import Literal, cast

from pydantic import Field, JsonValue, model_validator

from pipelines.domain.errors import InputError
from pipelines.domain.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from pipelines.domain.values import JsonValue as Expected
from pipelines.domain.values import digest_of
from pipelines.files.records import to_json
from pipelines.specs.loading import Spec, did_you_mean, load_json_lines, load_yaml

SUITE_FILE = "suite.yaml"


class MessageSpec(Spec):
    """One chat message as OpenAI's chat format writes it."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class _GraderFile(Spec):
    """What judges an answer."""

    kind: Literal["tool_call", "exact"]
    """`tool_call` compares a JSON call by meaning, `exact` the text."""


class _DecodeFile(Spec):
    """How answers are sampled."""

    max_tokens: int = Field(gt=0)
    """The most tokens an answer may have."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy."""
    seed: int = 0
    """Seed of the sampler above temperature 0."""


class _SliceFile(Spec):
    """A part of the suite that is judged on its own."""

    description: str = ""
    """What its items have in common."""
    critical: bool = False
    """Whether not a single item of it may break."""


class SuiteSpec(Spec):
    """A suite: the team's own tasks. It stands in `suite.yaml` beside its items."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """What it is called in verdicts and in the registry."""
    version: int = Field(ge=1)
    """Raise it when items change."""
    description: str = ""
    """What it is about."""
    items: str = "items.jsonl"
    """File with one item a line, beside this one."""
    grader: _GraderFile
    decode: _DecodeFile
    slices: dict[str, _SliceFile]
    """Names that items give in their `slices`."""


class ItemSpec(Spec):
    """One line of the items file: `messages`, or `prompt` for a single user message."""

    id: str = Field(min_length=1)
    """Unique in the suite."""
    messages: tuple[MessageSpec, ...] = ()
    """The conversation so far, rendered by the model's own chat template."""
    prompt: str = ""
    """A single user message, instead of messages."""
    expected: JsonValue
    """What the grader compares the answer with."""
    slices: tuple[str, ...] = Field(min_length=1)
    """Where it counts."""

    @model_validator(mode="after")
    def _asks_something(self) -> "ItemSpec":
        if bool(self.messages) == bool(self.prompt):
            raise ValueError(f"item '{self.id}' needs either messages or prompt")
        return self

    def item(self) -> Item:
        """Return the domain object."""
        messages = self.messages or (MessageSpec(role="user", content=self.prompt),)
        return Item(
            id=self.id,
            messages=tuple(Message(role=m.role, content=m.content) for m in messages),
            expected=cast("Expected", self.expected),
            slices=self.slices,
        )


def load_suite(folder: Path) -> Suite:
    """Read a suite folder; its digest covers name, version, grader, decode settings, slices, items.

    Raises:
        InputError: with every problem of the file at fault and its lines.
    """
    path = folder / SUITE_FILE
    if not path.is_file():
        raise InputError(
            f"no {SUITE_FILE} in this folder",
            where=str(folder),
            next_step="a suite is a folder with suite.yaml and items.jsonl; "
            "examples/support-desk/suite is one to copy",
        )
    spec = load_yaml(path, SuiteSpec)
    items_file = folder / spec.items
    items = tuple(row.item() for row in load_json_lines(items_file, ItemSpec))
    problems = _problems(items, tuple(spec.slices))
    if problems:
        raise InputError("\n  ".join(["cannot be used:", *problems[:20]]), where=str(items_file))
    return _suite(spec, items, folder)


def _problems(items: tuple[Item, ...], slices: tuple[str, ...]) -> list[str]:
    if not items:
        return ["there are no items"]
    problems = [
        f"item id '{item_id}' stands here {count} times"
        for item_id, count in Counter(item.id for item in items).items()
        if count > 1
    ]
    named = Counter(name for item in items for name in item.slices)
    problems += [
        f"slice '{name}' is not in {SUITE_FILE}{did_you_mean(name, slices)}"
        for name in named
        if name not in slices
    ]
    return problems + [f"slice '{name}' has no items" for name in slices if name not in named]


def _suite(spec: SuiteSpec, items: tuple[Item, ...], folder: Path) -> Suite:
    grader = GraderSpec(kind=spec.grader.kind)
    decode = DecodeSettings(**spec.decode.model_dump())
    slices = tuple(
        SliceSpec(name=name, description=one.description, critical=one.critical)
        for name, one in spec.slices.items()
    )
    digest = digest_of(
        {
            "name": spec.name,
            "version": spec.version,
            "grader": to_json(grader),
            "decode": to_json(decode),
            "slices": to_json(slices),
            "items": to_json(items),
        }
    )
    return Suite(
        name=spec.name,
        version=spec.version,
        description=spec.description,
        folder=folder,
        digest=digest,
        grader=grader,
        decode=decode,
        slices=slices,
        items=items,
    )
