"""What a team writes: a suite file, and one line an item."""

from dataclasses import replace
from typing import Annotated, Literal, Self, cast

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from quantgate.pipelines.domain.suites.suite import DecodeSettings, Item
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.values import JsonValue as Expected
from quantgate.pipelines.specs.loading import Spec
from quantgate.pipelines.specs.names import SuiteName
from quantgate.pipelines.specs.template_variables import TemplateVariables
from quantgate.pipelines.suites.graders.files import AnyGraderFile
from quantgate.pipelines.suites.long_context import LongContextFile
from quantgate.pipelines.suites.messages import MessageSpec, as_list
from quantgate.pipelines.suites.sources import ITEMS_FILE, AnyItemsFile, ItemsFile
from quantgate.pipelines.suites.thoughts import ThoughtsFile
from quantgate.pipelines.suites.turns import LoopsFile, ScriptFile

StopText = Annotated[str, Field(min_length=1)]
"""An empty one would end every answer before it begins."""

_LARGEST_SEED = 2**32 - 2
"""Samplers hold seeds in 32 bits; llama.cpp takes the largest number for a random one."""


class _DecodeFile(Spec):
    """How answers are sampled."""

    max_tokens: int = Field(gt=0)
    """The most tokens an answer may have."""
    temperature: float = Field(default=0.0, ge=0)
    """0 is greedy."""
    seed: int = Field(default=0, ge=0, le=_LARGEST_SEED)
    """Seed of the sampler above temperature 0."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers drawn of each item; more than one needs a temperature above 0."""
    stop: tuple[StopText, ...] = ()
    """Texts that end an answer; they are not part of it."""
    constrained: bool | Literal["both"] = False
    """Whether an item's JSON schema binds its answer by a grammar; `both` asks such an item either way."""

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                "samples above 1 need a temperature above 0: greedy ones are all equal"
            )
        return self

    def settings(self) -> DecodeSettings:
        """Return the domain object."""
        return DecodeSettings(**(self.model_dump() | {"constrained": self.constrained is True}))


class _ItemDecodeFile(Spec):
    """What an item changes of the suite's decode settings."""

    max_tokens: int | None = Field(default=None, gt=0)
    """The most tokens its answer may have."""
    temperature: float | None = Field(default=None, ge=0)
    """0 is greedy."""
    samples: int | None = Field(default=None, ge=1, le=64)
    """Answers drawn of it."""
    stop: tuple[StopText, ...] | None = None
    """Texts that end its answer."""
    constrained: bool | None = None
    """Whether its JSON schema binds its answer."""

    def over(self, settings: DecodeSettings) -> DecodeSettings:
        """Return the suite's settings with what is said here."""
        return replace(settings, **self.model_dump(exclude_none=True))


class _SliceFile(Spec):
    """A part of the suite that is judged on its own."""

    description: str = ""
    """What its items have in common."""
    critical: bool = False
    """Whether not a single item of it may break."""


class SuiteSpec(Spec):
    """A suite: the team's own tasks. It stands in `suite.yaml` beside its items."""

    name: SuiteName
    """What it is called in verdicts and in the registry: letters, digits, `_` and `-`."""
    version: int = Field(ge=1)
    """Raise it when items change."""
    description: str = ""
    """What it is about."""
    items: AnyItemsFile = ItemsFile(path=ITEMS_FILE)
    """File with one item a line, beside this one; or where else items come from, and how to read them."""
    grader: AnyGraderFile
    """What judges an answer: a kind, or a kind with options."""
    decode: _DecodeFile
    slices: dict[str, _SliceFile]
    """Names that items give in their `slices`."""
    template_variables: TemplateVariables = Field(default_factory=dict)
    """What the chat template is handed beside every conversation, e.g. `{enable_thinking: false}`."""
    loops: LoopsFile = LoopsFile()
    """What items with `turns` share: tools' answers and bounds."""
    long_context: LongContextFile | None = None
    """Items to be stretched with distractor text, in slices `long_8k` and the like that need no entry."""
    thoughts: ThoughtsFile = ThoughtsFile()
    """How a model marks what it thinks before it answers; the known families' marks need no entry."""


class DraftFile(Spec):
    """Where a proposed item comes from; `quantgate suite mine` writes it, nothing is judged by it."""

    answer: str = ""
    """What the full-precision model answered: not the expectation, but a start for writing one."""
    why: tuple[str, ...] = ()
    """Why it was proposed."""
    source: str = ""
    """Id of the row of traffic that it was taken from."""


class ItemSpec(ScriptFile):
    """One line of the items file: `messages`, `prompt` for a single user message, or `turns` for a loop."""

    id: str = Field(min_length=1)
    """Unique in the suite."""
    messages: Annotated[
        tuple[MessageSpec, ...],
        BeforeValidator(as_list, json_schema_input_type=tuple[MessageSpec, ...]),
    ] = ()
    """The conversation so far, rendered by the model's own chat template."""
    prompt: str = ""
    """A single user message, instead of messages."""
    expected: JsonValue
    """What the grader compares the answer with."""
    slices: tuple[str, ...] = Field(min_length=1)
    """Where it counts."""
    tools: tuple[dict[str, JsonValue], ...] = ()
    """Functions offered through the model's own chat template, as OpenAI's API takes them."""
    schema_: dict[str, JsonValue] | None = Field(default=None, alias="schema")
    """JSON schema (draft 2020-12) that the answer has to meet."""
    critical: bool = False
    """Whether it may never break."""
    group: str | None = Field(default=None, min_length=1)
    """Items with the same group have one cause (a document, a conversation) and count as clustered."""
    grader: AnyGraderFile | None = None
    """What judges its answer, where not the suite's grader does."""
    decode: _ItemDecodeFile | None = None
    """What it changes of the suite's decode settings."""
    raw: bool = False
    """Whether its prompt is completed as it stands, without the model's chat template."""
    template_variables: TemplateVariables = Field(default_factory=dict)
    """What the chat template is handed beside its conversation, laid over the suite's and the build's."""
    draft: DraftFile | None = None
    """Where it comes from, if it was proposed; while `expected` is null beside it, it cannot be judged."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.opens_itself and self.prompt:
            raise ValueError(f"item '{self.id}' begins twice: with prompt and with its first turn")
        if not self.opens_itself and bool(self.messages) == bool(self.prompt):
            raise ValueError(f"item '{self.id}' needs either messages or prompt")
        if self.turns and self.raw:
            raise ValueError(f"item '{self.id}' is raw: a conversation needs the chat template")
        if self.raw and (self.tools or self.template_variables):
            raise ValueError(
                f"item '{self.id}' is raw: only a chat template takes tools and template_variables"
            )
        return self

    @property
    def is_incomplete(self) -> bool:
        """Whether it was proposed and nobody has written its expectation yet."""
        return self.draft is not None and self.expected is None

    def item(self, decode: DecodeSettings) -> Item:
        """Return the domain object; `decode` are the suite's settings. A loop's script is added apart."""
        prompt = () if self.opens_itself else (MessageSpec(role="user", content=self.prompt),)
        messages = self.messages or prompt
        return Item(
            id=self.id,
            messages=tuple(message.message() for message in messages),
            expected=cast("Expected", self.expected),
            slices=self.slices,
            tools=cast("tuple[JsonObject, ...]", self.tools),
            schema=cast("JsonObject | None", self.schema_),
            critical=self.critical,
            group=self.group,
            grader=self.grader.spec() if self.grader else None,
            decode=self.decode.over(decode) if self.decode else None,
            raw=self.raw,
            template_variables=cast("JsonObject", self.template_variables),
        )
