"""A suite's prompts for one checkpoint: rendered, tokenized, and known by one digest."""

import random
from dataclasses import dataclass

from pipelines.domain.errors import InputError
from pipelines.domain.suite import Suite
from pipelines.domain.values import Digest, digest_of
from pipelines.evaluation.chat import ChatFormat
from pipelines.runtimes.protocol import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePrompts:
    """Prompts in suite order with their rendered texts; `digest` covers every token id."""

    prompts: tuple[Prompt, ...]
    texts: tuple[str, ...]
    digest: Digest

    def in_order(self, seed: int) -> tuple[Prompt, ...]:
        """Return the prompts shuffled by `seed`; seed 0 keeps suite order."""
        if seed == 0:
            return self.prompts
        return tuple(random.Random(seed).sample(self.prompts, len(self.prompts)))


def suite_prompts(suite: Suite, chat: ChatFormat, context_length_tokens: int) -> SuitePrompts:
    """Render and tokenize every item.

    Raises:
        InputError: naming the items whose prompt and answer cannot fit the model's context.
    """
    texts = tuple(chat.render(item.messages, ask=True) for item in suite.items)
    prompts = tuple(
        Prompt(item_id=item.id, token_ids=chat.token_ids(text))
        for item, text in zip(suite.items, texts, strict=True)
    )
    room = context_length_tokens - suite.decode.max_tokens
    too_long = [p for p in prompts if len(p.token_ids) > room]
    if too_long:
        named = ", ".join(f"{p.item_id} ({len(p.token_ids)} tokens)" for p in too_long[:5])
        raise InputError(
            f"{len(too_long)} of {len(prompts)} items do not fit the model's context of "
            f"{context_length_tokens} tokens with {suite.decode.max_tokens} for the answer: {named}",
            where=f"suite {suite.name}",
            next_step="shorten or remove these items, or lower decode.max_tokens",
        )
    digest = digest_of([[p.item_id, list(p.token_ids)] for p in prompts])
    return SuitePrompts(prompts=prompts, texts=texts, digest=digest)
