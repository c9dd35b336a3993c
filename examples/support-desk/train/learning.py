"""Training from scratch: answer-only loss, length buckets, Muon for the matrices.

Muon (Jordan et al. 2024, in torch since 2.9) learns to copy ids several times faster than AdamW
at this size; embeddings and norms stay with AdamW, as its authors advise.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

log = logging.getLogger(__name__)

_POOL_EXAMPLES = 4096  # sorted by length at a time, so that a batch holds little padding
_LOG_EVERY_STEPS = 50


@dataclass(frozen=True, slots=True)
class Example:
    """One training sequence: prompt tokens, then answer tokens with the end-of-turn token."""

    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long and how fast to learn; learning rates are peaks of a cosine with warm-up."""

    examples: int
    batch_tokens: int = 4096
    matrix_rate: float = 3e-3
    other_rate: float = 3e-3
    weight_decay: float = 0.1
    warmup_share: float = 0.03

    def factor(self, progress: float) -> float:
        """The share of the peak learning rate at a progress between 0 and 1."""
        if progress < self.warmup_share:
            return progress / self.warmup_share
        return 0.5 * (1 + math.cos(math.pi * progress))


def new_model(*, vocabulary_size: int, pad: int, begin: int, end: int) -> LlamaForCausalLM:
    """The architecture of the example: 3.4 million weights, all rows divisible by 256."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary_size,
            hidden_size=256,
            intermediate_size=768,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=64,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=pad,
            bos_token_id=begin,
            eos_token_id=end,
        )
    )


def train(
    model: LlamaForCausalLM, examples: Iterator[Example], schedule: Schedule, *, seed: int
) -> float:
    """Train in place on the next `schedule.examples` examples; returns the seconds it took."""
    optimizers = _optimizers(model, schedule)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    started, seen = time.monotonic(), 0
    accuracies: deque[float] = deque(maxlen=_LOG_EVERY_STEPS)
    model.train()
    for step, batch in enumerate(_batches(examples, schedule, random.Random(seed))):
        factor = schedule.factor(seen / schedule.examples)
        for optimizer, rates in zip(optimizers, peaks, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        accuracies.append(_step(model, batch, optimizers))
        seen += len(batch)
        if step % _LOG_EVERY_STEPS == 0:
            accuracy = sum(accuracies) / len(accuracies)
            elapsed = time.monotonic() - started
            log.info("%d messages, %.0f s, token accuracy %.4f", seen, elapsed, accuracy)
    model.eval()
    return time.monotonic() - started


def _optimizers(model: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed" not in name else others).append(weight)
    return [
        torch.optim.Muon(
            matrices,
            lr=schedule.matrix_rate,
            weight_decay=schedule.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
        torch.optim.AdamW(others, lr=schedule.other_rate, weight_decay=0.0, betas=(0.9, 0.95)),
    ]


def _batches(
    examples: Iterator[Example], schedule: Schedule, rng: random.Random
) -> Iterator[list[Example]]:
    remaining = schedule.examples
    while remaining > 0:
        pool = sorted(islice(examples, min(_POOL_EXAMPLES, remaining)), key=len)
        remaining -= len(pool)
        batches: list[list[Example]] = [[]]
        for example in pool:
            if (len(batches[-1]) + 1) * len(example) > schedule.batch_tokens:
                batches.append([])
            batches[-1].append(example)
        rng.shuffle(batches)
        yield from batches


def _step(
    model: LlamaForCausalLM, batch: list[Example], optimizers: list[torch.optim.Optimizer]
) -> float:
    """One update; returns the share of answer tokens that were predicted right."""
    inputs, targets, is_answer = _tensors(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[is_answer]).float()
    loss = nn.functional.cross_entropy(logits, targets)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float((logits.argmax(-1) == targets).float().mean())


def _tensors(batch: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs padded on the right, answer tokens in order, and the mask of their predictors.

    Attention is causal and only answers count, so padding needs no mask of its own.
    """
    width = max(map(len, batch))
    inputs = torch.zeros(len(batch), width, dtype=torch.long)
    is_answer = torch.zeros(len(batch), width, dtype=torch.bool)
    for row, example in enumerate(batch):
        inputs[row, : len(example)] = torch.tensor(example.prompt + example.answer)
        is_answer[row, len(example.prompt) - 1 : len(example) - 1] = True
    targets = torch.tensor([token for example in batch for token in example.answer])
    return inputs, targets, is_answer
