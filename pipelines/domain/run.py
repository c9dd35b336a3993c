"""An evaluation run: who answered which prompts under which contract, and what was said."""

from dataclasses import dataclass, field
from typing import Literal

from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.domain.suites.thoughts import Spoken
from quantgate.pipelines.domain.values import Digest

Way = Literal[
    "runtime error",
    "still thinking",
    "empty",
    "degenerate loop",
    "truncated",
    "followed the injection",
    "refused",
    "did not refuse",
    "half refused",
    "wrong language",
    "not JSON",
    "breaks its schema",
    "unreadable call",
    "missing call",
    "needless call",
    "wrong tool",
    "wrong arguments",
    "no answer in it",
    "undecided",
    "forbidden text",
    "wrong unit",
    "program fails",
    "too slow",
    "unlike the reference",
    "judged wrong",
    "missed step",
    "no end",
    "wrong value",
]
"""How an answer is wrong; see docs/verdicts.md. `wrong value` is what none of the others says better."""

Kernels = Literal["native", "weight-only", "emulated", "reference", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeIdentity:
    """What answered. `kernels` says how a variant's arithmetic was done.

    `native`: by kernels made for its types. `weight-only`: low-bit weights expanded to 16 bits before
    they are multiplied, which is all that a scheme with 16-bit activations asks for. `emulated`: low-bit
    activations or caches rounded as the scheme says and then computed in 16 bits. `reference`: nothing
    is low-bit. `unknown`: a server answered that does not say.
    `kv_cache` is the KV-cache element type, e.g. `f16`; `device` is `cpu` or the accelerator's name.
    """

    engine: str
    version: str
    device: str
    kv_cache: str
    compute_dtype: str
    kernels: Kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How prompts are laid over the hardware. It can change tokens, so it is part of a run's identity.

    `order_seed` 0 keeps suite order; any other value shuffles the items with that seed (A/A repeats).
    `portions` is in how many pieces the suite was asked: more than one where a run may end early.
    """

    slots: int
    threads: int
    order_seed: int = 0
    portions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContract:
    """All that has to be equal before two runs may be paired, plus the schedule they ran under."""

    suite_digest: Digest
    prompts_digest: Digest
    decode: DecodeSettings
    runtime: RuntimeIdentity
    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One raw answer; `finish_reason`: `stop` (end-of-sequence), `length` (max_tokens) or `error`.

    `context` is a step of a loop that was not asked, because the conversation no longer fitted the model's
    context. `tool_results` are what simulated tools said to the calls in the answer, in their order.
    Where a server does not tell its token ids they are empty, and `generated_tokens` is its own count.
    `reasoning` is what a server told apart from the text as the model's thoughts; its tokens count as
    generated ones.
    `margin` is how much higher the chosen token's logit was than the runner-up's, in nats, where the two were
    closest, the token that ends the answer included. It is None where tokens are drawn, where a schema binds
    them, and where a server answers. It says nothing of what was said, so it is not compared.
    """

    item_id: str
    text: str
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length", "error", "context"]
    prompt_tokens: int
    generated_tokens: int | None = None
    reasoning: str = ""
    tool_results: tuple[str, ...] = ()
    margin: float | None = field(default=None, compare=False)

    @property
    def length_tokens(self) -> int:
        """How many tokens were generated, the end-of-sequence token aside where ids are known."""
        return len(self.token_ids) if self.generated_tokens is None else self.generated_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One aspect of an answer that a grader scores apart, 0 to 1, e.g. `schema` or `fields`."""

    name: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A grader's judgement; answers with equal `canonical` forms are the same answer.

    `score` is 0 to 1: graders that only tell right from wrong give 0 or 1. `grader` is its name and
    version. `way` says how a wrong answer is wrong; None of a right one.
    """

    correct: bool
    reason: str
    canonical: str
    grader: str
    score: float
    facets: tuple[Facet, ...] = ()
    way: Way | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedStep:
    """One answer in a loop, and what the user said to it (None: nothing).

    `grade` is that of the scripted step which the answer was held against, None where none was open.
    """

    answer: Answer
    user: str | None
    grade: Grade | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedAnswer:
    """An item's answer with its grade.

    `spoken` is the answer taken apart, None where it has no thoughts: then it says what its text says.

    Where an item was sampled several times, `samples` holds them all; `answer` is the first one that
    was given the grade most samples have, and `grade` is theirs together (see
    `pipelines.evaluation.sampling`). A loop's `steps` are its answers one by one; its `answer` is the whole
    conversation as one text (see `pipelines.evaluation.loops.grading`).
    """

    answer: Answer
    grade: Grade
    samples: tuple["GradedAnswer", ...] = ()
    spoken: Spoken | None = None
    steps: tuple[GradedStep, ...] = ()

    @property
    def said(self) -> str:
        """What it says, thoughts left out; "" where it never stopped thinking."""
        return self.answer.text if self.spoken is None else self.spoken.text

    @property
    def shown(self) -> str:
        """What a person is shown: what it says, or all of it where it never stopped thinking."""
        if self.spoken is None or self.spoken.finished:
            return self.said
        return self.spoken.thoughts

    @property
    def thought_tokens(self) -> int:
        """How many of its tokens are thoughts; over all samples where it has several."""
        if self.samples:
            return sum(sample.thought_tokens for sample in self.samples)
        return (self.spoken.thought_tokens or 0) if self.spoken else 0

    @property
    def raw_answers(self) -> tuple[Answer, ...]:
        """Every answer as the runtime gave it: all samples, all steps."""
        if self.samples:
            return tuple(answer for sample in self.samples for answer in sample.raw_answers)
        return tuple(step.answer for step in self.steps) or (self.answer,)

    @property
    def margin(self) -> float | None:
        """The closest decision in any of its answers, see `Answer`; None where one has none."""
        margins = [
            answer.margin for answer in self.raw_answers if answer.finish_reason != "context"
        ]
        measured = [margin for margin in margins if margin is not None]
        return min(measured) if measured and len(measured) == len(margins) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run: its contract, whose weights answered, and all graded answers in suite order.

    `subject` is a variant's or the base's identifier, `subject_digest` the digest of its files. `seconds` are
    those of the last try; `resumed` says that an earlier one had given some of the answers.
    """

    key: str
    subject: str
    subject_digest: Digest
    contract: RunContract
    answers: tuple[GradedAnswer, ...]
    seconds: float
    resumed: bool = False
