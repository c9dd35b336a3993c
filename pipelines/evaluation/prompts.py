"""A suite's prompts for one checkpoint: rendered, tokenized, and known by one digest."""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from pipelines.domain.errors import InputError
from pipelines.domain.suite import Item, Suite
from pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from pipelines.evaluation.chat import ChatFormat
from pipelines.evaluation.sampling import sample_id
from pipelines.files.records import to_json
from pipelines.runtimes.protocol import Prompt
from pipelines.specs.suite_long_context import beyond_context, lengths_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePrompts:
    """Prompts in suite order, an item's samples one after another, with their rendered texts.

    `digest` covers every token id and every setting that a single prompt has of its own; what the ids
    were made from adds nothing to that.
    """

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
    texts: list[str] = []
    prompts: list[Prompt] = []
    for item in suite.items:
        text = chat.render(item.messages, ask=True, tools=item.tools)
        first = _prompt(suite, item, text, chat.token_ids(text))
        asked = [*_samples(first, suite.decode_of(item).samples)]
        prompts += asked
        texts += [text] * len(asked)
    _refuse_too_long(suite, prompts, context_length_tokens)
    digest = digest_of([to_json(replace(prompt, text="", chat=None)) for prompt in prompts])
    return SuitePrompts(prompts=tuple(prompts), texts=tuple(texts), digest=digest)


def _asked(item: Item, chat: ChatFormat) -> tuple[str, tuple[int, ...]]:
    """Return an item's text as the model sees it, and its ids."""
    if item.raw:
        text = "\n".join(message.content for message in item.messages)
        return text, chat.token_ids(text, begin=True)
    text = chat.render(item.messages, ask=True, tools=item.tools)
    return text, chat.token_ids(text)


def _prompt(suite: Suite, item: Item, text: str, token_ids: tuple[int, ...]) -> Prompt:
    decode = suite.decode_of(item)
    bound = item.schema is not None and decode.constrained
    return Prompt(
        item_id=item.id,
        token_ids=token_ids,
        max_tokens=decode.max_tokens if decode.max_tokens != suite.decode.max_tokens else None,
        temperature=decode.temperature if decode.temperature != suite.decode.temperature else None,
        stop=decode.stop,
        schema=_in_order(item.schema) if bound else None,
        text=text,
        chat=_chat(item),
    )


def _in_order(schema: JsonObject | None) -> str:
    """Serialize a schema; the order of its keys is the order in which a grammar asks for them."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _chat(item: Item) -> JsonObject:
    """What OpenAI's chat interface is sent; fields that a message does not have are left out."""
    messages: list[JsonValue] = [
        {key: value for key, value in asdict(message).items() if value or key == "content"}
        for message in item.messages
    ]
    return {"messages": messages, **({"tools": list(item.tools)} if item.tools else {})}


def _samples(first: Prompt, count: int) -> Iterator[Prompt]:
    for number in range(count):
        yield replace(first, item_id=sample_id(first.item_id, number))


def _refuse_too_long(suite: Suite, prompts: list[Prompt], context_length_tokens: int) -> None:
    too_long = [
        prompt
        for prompt in prompts
        if len(prompt.token_ids) + (prompt.max_tokens or suite.decode.max_tokens)
        > context_length_tokens
    ]
    if not too_long:
        return
    named = ", ".join(f"{p.item_id} ({len(p.token_ids)} tokens)" for p in too_long[:5])
    raise InputError(
        f"{len(too_long)} of {len(prompts)} items do not fit the model's context of "
        f"{context_length_tokens} tokens with {suite.decode.max_tokens} for the answer: {named}",
        where=f"suite {suite.name}",
        next_step=beyond_context(
            lengths_of(one.name for one in suite.slices), context_length_tokens
        )
        or "shorten or remove these items, or lower decode.max_tokens",
    )
