"""One run of training: steps of AdamW on the adapter alone, and a state from which it goes on."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from adapter import adapter_weights, attach, load_adapter, save_adapter
from lessons import (
    COURSE_SEED,
    SECOND_COURSE_SEED,
    SECOND_SHARES,
    SHARES,
    THIRD_COURSE_SEED,
    THIRD_SHARES,
    lessons,
)
from prompting import ChatEncoder
from support_desk.batches import Example, batches, tensors
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache

_STATE_FILE = "state.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How long and how fast to learn; the rate rises linearly and then falls along a cosine.

    A step learns from several batches, each of examples of like length, so that it sees several kinds.
    `batch_tokens` counts padding, and not the opening that all prompts share.
    """

    steps: int = 100
    batches_a_step: int = 3
    batch_tokens: int = 480
    peak_rate: float = 1e-3
    warmup_steps: int = 8
    largest_gradient: float = 1.0
    seed: int = COURSE_SEED
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)

    def factor(self, step: int) -> float:
        """Return the share of the peak rate at a step counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return 0.5 * (1 + math.cos(math.pi * step / self.steps))


COURSES = {
    "first": Course(),
    "second": Course(
        steps=40, peak_rate=6e-4, warmup_steps=3, seed=SECOND_COURSE_SEED, shares=SECOND_SHARES
    ),
    "third": Course(
        steps=30, peak_rate=5e-4, warmup_steps=3, seed=THIRD_COURSE_SEED, shares=THIRD_SHARES
    ),
}
"""Each by its name; each goes on from the adapter of the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one step learnt from: mean loss of the answers' tokens, and tokens computed (padding included)."""

    step: int
    loss: float
    tokens: int


class Learner:
    """A frozen model with its adapter, its optimizer, and how many steps of the course it has made."""

    def __init__(self, base: Path, course: Course, dtype: torch.dtype = torch.float32) -> None:
        """Load a checkpoint, whose frozen layers multiply in `dtype`; all else is float32."""
        self.course, self.step = course, 0
        self.encoder = ChatEncoder(base)
        self.model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        attach(self.model, seed=course.seed, dtype=dtype)
        self._weights = list(adapter_weights(self.model).values())
        self._optimizer = torch.optim.AdamW(self._weights, lr=course.peak_rate, weight_decay=0.0)

    def learn(self) -> Iterator[StepResult]:
        """Make the steps that the course still has, one at a time.

        Batches depend on the seed alone, so a course that was interrupted goes on with those it has not seen.
        """
        course = self.course
        examples = self.encoder.examples(lessons(course.seed, course.shares))
        stream = batches(examples, course.batch_tokens, random.Random(course.seed))
        for _ in range(self.step * course.batches_a_step):
            next(stream)
        while self.step < course.steps:
            taken = list(islice(stream, course.batches_a_step))
            loss = self._learn_from(taken)
            tokens = sum(self._tokens(batch) for batch in taken)
            self.step += 1
            yield StepResult(step=self.step, loss=loss, tokens=tokens)

    def start_from(self, folder: Path) -> None:
        """Take the weights of an adapter that was saved before, its optimizer's state not."""
        learnt = load_adapter(folder)
        with torch.no_grad():
            for name, weight in adapter_weights(self.model).items():
                weight.copy_(learnt[name])

    def save(self, folder: Path) -> None:
        """Write the adapter, and the state from which `resume` goes on; neither is ever seen half written."""
        weights = adapter_weights(self.model)
        save_adapter(weights, folder)
        state = {
            "step": self.step,
            "weights": {name: weight.detach() for name, weight in weights.items()},
            "optimizer": self._optimizer.state_dict(),
        }
        fresh = folder / f"{_STATE_FILE}.new"
        torch.save(state, fresh)
        fresh.replace(folder / _STATE_FILE)

    def resume(self, folder: Path) -> None:
        """Go on from what `save` wrote into a folder, if anything."""
        if not (folder / _STATE_FILE).is_file():
            return
        state = torch.load(folder / _STATE_FILE, weights_only=True)
        with torch.no_grad():
            for name, weight in adapter_weights(self.model).items():
                weight.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def _learn_from(self, taken: list[list[Example]]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.course.peak_rate * self.course.factor(self.step)
        total = 0.0
        for batch in taken:
            loss = answer_loss(self.model, self.encoder.opening, batch) / len(taken)
            torch.autograd.backward(loss)
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self._weights, self.course.largest_gradient)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total

    def _tokens(self, batch: list[Example]) -> int:
        return len(self.encoder.opening) + len(batch) * max(map(len, batch))


def answer_loss(model: nn.Module, opening: list[int], batch: list[Example]) -> torch.Tensor:
    """Return the mean cross-entropy of the answers' tokens.

    What all prompts begin with is computed once: its keys and values are repeated for every example, and
    gradients flow back through them as if each example had them to itself.
    """
    inputs, targets, is_answer = tensors(batch)
    cache = DynamicCache()
    if opening:
        model.model(input_ids=torch.tensor([opening]), past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(len(batch))
    hidden = model.model(input_ids=inputs, past_key_values=cache, use_cache=True).last_hidden_state
    logits = model.lm_head(hidden[is_answer])
    return nn.functional.cross_entropy(logits, targets)
