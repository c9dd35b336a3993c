"""What is learnt from: examples, batches of like length, the model before training."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

CONTEXT_TOKENS = 512
_POOL_EXAMPLES = 1024  # sorted by length at a time, so that a batch holds little padding


@dataclass(frozen=True, slots=True)
class Example:
    """One training sequence: prompt tokens, then answer tokens with the end-of-turn token."""

    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One phase: how long and how fast, on which mix; the rate follows a cosine with warm-up.

    `examples` counts over all processes, `batch_tokens` is what one of them takes a step. With
    `from_mean_of` a phase starts from the mean of the weights that so many phases before it left
    (stochastic weight averaging, Izmailov et al. 2018), else from what the last one left.
    """

    examples: int
    mix: Mapping[str, float]
    peak_rate: float
    batch_tokens: int = 1024
    weight_decay: float = 0.1
    warmup_share: float = 0.03
    from_mean_of: int = 0

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
            max_position_embeddings=CONTEXT_TOKENS,
            tie_word_embeddings=True,
            pad_token_id=pad,
            bos_token_id=begin,
            eos_token_id=end,
        )
    )


def batches(
    examples: Iterator[Example], batch_tokens: int, rng: random.Random
) -> Iterator[list[Example]]:
    """Yield batches of at most `batch_tokens`, padding included, without end."""
    while True:
        pool = sorted(islice(examples, _POOL_EXAMPLES), key=len)
        chunks: list[list[Example]] = [[]]
        for example in pool:
            if (len(chunks[-1]) + 1) * len(example) > batch_tokens:
                chunks.append([])
            chunks[-1].append(example)
        rng.shuffle(chunks)
        yield from chunks


def tensors(batch: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
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
