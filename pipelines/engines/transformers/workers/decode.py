"""Batched decoding with a KV cache: left-padded prompts, rows leave the batch as they finish.

What all prompts of a batch begin with is computed once (see `opening`); padding stands after it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch

from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.binding.answers import BoundAnswer
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.stop_texts import Finish, TextOf, reaches_stop
from quantgate.pipelines.engines.transformers.workers.forward import forward
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel
from quantgate.pipelines.engines.transformers.workers.opening import opening_of

COMPLETE = -1
"""Chosen instead of a token where a bound answer is whole and may not go on."""


@dataclass(slots=True, kw_only=True)
class PromptRow:
    """One prompt being answered; `finish` is None while it runs, and `bound` where no schema binds it.

    `margin`: see `Answer`.
    """

    prompt: Prompt
    room_tokens: int
    generator: torch.Generator | None
    bound: BoundAnswer | None = None
    temperature: float = 0.0
    generated: list[int] = field(default_factory=list)
    finish: Finish | None = None
    margin: float | None = None

    def take(self, token: int, stop_ids: frozenset[int], text_of: TextOf, *, finite: bool) -> None:
        """Add one decoded token, or finish: on NaN logits, a stop token or text, or no room left.

        A stop text that was reached is still among `generated`; see `before_stop`.
        """
        if not finite:
            self.finish = "error"
        elif token in stop_ids or token == COMPLETE:
            self.finish = "stop"
        else:
            self.generated.append(token)
            if reaches_stop(self.generated, self.prompt.stop, text_of):
                self.finish = "stop"
            elif len(self.generated) >= self.room_tokens:
                self.finish = "length"


@torch.inference_mode()
def decode_batch(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    settings: DecodeSettings,
    stop_ids: frozenset[int],
    begin: Callable[[str], BoundAnswer] | None = None,
) -> list[PromptRow]:
    """Answer prompts together; the rows come back in the order of `prompts`, all finished.

    `begin` begins what a prompt's schema binds; without it no schema binds anything.

    A prompt that leaves no room in the model's context, or whose logits are not finite, ends as `error`.
    """
    rows = [_row(loaded, prompt, settings) for prompt in prompts]
    for row in rows:
        if begin is not None and row.prompt.schema is not None:
            row.bound = begin(row.prompt.schema)
    running = [row for row in rows if row.finish is None]
    if not running:
        return rows
    opening = opening_of(loaded, [row.prompt for row in running])
    begun = len(opening.token_ids)
    tokens, mask = _left_padded([row.prompt.token_ids[begun:] for row in running], loaded.device)
    mask = torch.cat([mask.new_ones(len(running), begun), mask], dim=1)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, begun:]
    cache = opening.cache
    while True:
        output = forward(
            loaded.model,
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = output.logits[:, -1].to(loaded.device).float()
        finite = torch.isfinite(logits).all(dim=1).tolist()
        chosen = _choose(logits, running)
        _note_margins(logits, running)
        for at, row in enumerate(running):
            if row.bound is not None and finite[at]:
                chosen[at] = _bound(int(chosen[at]), logits[at], row, row.bound, stop_ids)
        for row, token, is_finite in zip(running, chosen.tolist(), finite, strict=True):
            row.take(token, stop_ids, loaded.text_of, finite=is_finite)
        keep = [at for at, row in enumerate(running) if row.finish is None]
        if not keep:
            return rows
        positions = positions[:, -1:] + 1
        if len(keep) < len(running):
            kept = torch.tensor(
                keep
            )  # from here it selects on any device: layers may lie on several
            cache.batch_select_indices(kept)
            chosen, mask, positions = chosen[kept], mask[kept], positions[kept]
            running = [running[at] for at in keep]
        tokens = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(running), 1)], dim=1)


def _row(loaded: LoadedModel, prompt: Prompt, settings: DecodeSettings) -> PromptRow:
    max_tokens = settings.max_tokens if prompt.max_tokens is None else prompt.max_tokens
    temperature = settings.temperature if prompt.temperature is None else prompt.temperature
    room = min(max_tokens, loaded.context_length_tokens - len(prompt.token_ids))
    generator = None
    if temperature > 0:
        # Seeded by item, so that a sampled answer does not depend on who shares its batch.
        digest = hashlib.sha256(f"{settings.seed}:{prompt.item_id}".encode()).digest()
        generator = torch.Generator(device=loaded.device)
        generator.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    row = PromptRow(prompt=prompt, room_tokens=room, generator=generator, temperature=temperature)
    if room <= 0 or not prompt.token_ids:
        row.finish = "error"
    return row


def _left_padded(
    ids: Sequence[tuple[int, ...]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both rows x longest; padding (id 0) is masked out."""
    width = max(len(row) for row in ids)
    tokens = torch.zeros(len(ids), width, dtype=torch.long)
    mask = torch.zeros(len(ids), width, dtype=torch.long)
    for at, row in enumerate(ids):
        tokens[at, width - len(row) :] = torch.tensor(row)
        mask[at, width - len(row) :] = 1
    return tokens.to(device), mask.to(device)


def _choose(logits: torch.Tensor, running: Sequence[PromptRow]) -> torch.Tensor:
    """Return the next token of each row: the likeliest, or a sample at the row's temperature."""
    if all(row.generator is None for row in running):
        return logits.argmax(dim=1)
    return torch.cat([_pick(logits[at], row) for at, row in enumerate(running)])


def _note_margins(logits: torch.Tensor, running: Sequence[PromptRow]) -> None:
    """Let rows that take the likeliest token remember their closest decision; see `Answer.margin`."""
    greedy = [at for at, row in enumerate(running) if row.generator is None and row.bound is None]
    if not greedy:
        return
    two = logits.topk(2, dim=1).values
    gaps = (two[:, 0] - two[:, 1]).tolist()
    for at in greedy:
        row = running[at]
        if isfinite(gaps[at]):
            row.margin = gaps[at] if row.margin is None else min(gaps[at], row.margin)


def _pick(logits: torch.Tensor, row: PromptRow) -> torch.Tensor:
    if row.generator is None:
        return logits.argmax(dim=0, keepdim=True)
    weights = (logits / row.temperature).softmax(dim=0).nan_to_num(nan=1.0)
    return torch.multinomial(weights, 1, generator=row.generator)


def _bound(
    token: int, logits: torch.Tensor, row: PromptRow, bound: BoundAnswer, stop_ids: frozenset[int]
) -> int:
    """Return the token where the grammar allows it, else another pick among those that it allows.

    A draw that is repeated among them has their distribution; see `sampling` of the llama.cpp engine.
    """
    if not bound.allows(token):
        allowed = torch.from_numpy(bound.allowed(len(logits))).to(logits.device)
        if not allowed.any():
            return COMPLETE
        token = int(_pick(logits.masked_fill(~allowed, -torch.inf), row))
    if token not in stop_ids:
        bound.accept(token)
    return token
