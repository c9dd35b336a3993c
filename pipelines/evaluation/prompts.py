"""A suite's prompts for one checkpoint: rendered, tokenized, and known by one digest."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.suites.suite import Item, Message, Suite
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.chat import ChatFormat, Reading
from quantgate.pipelines.evaluation.sampling import sample_id
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.suites.long_context import beyond_context, lengths_of

_MOST_NAMED = 3


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
        InputError: naming the items on which the chat template fails, or whose prompt and answer cannot fit
            the model's context.
    """
    texts: list[str] = []
    prompts: list[Prompt] = []
    for item, reading in zip(suite.items, _readings(suite, chat), strict=True):
        first = _prompt(suite, item, reading)
        asked = [*_samples(first, suite.decode_of(item).samples)]
        prompts += asked
        texts += [reading.text] * len(asked)
    _refuse_too_long(suite, prompts, context_length_tokens)
    digest = _digest(prompts, {item.id: suite.variables_of(item) for item in suite.items})
    return SuitePrompts(prompts=tuple(prompts), texts=tuple(texts), digest=digest)


def asked_prompt(suite: Suite, item: Item, chat: ChatFormat) -> Prompt:
    """Return the prompt of one item.

    Raises:
        TemplateRefusalError: where the chat template refuses it.
    """
    return _prompt(suite, item, read_item(suite, item, chat))


def _digest(prompts: Sequence[Prompt], variables: Mapping[str, JsonObject]) -> Digest:
    rows: list[JsonValue] = [to_json(replace(prompt, text="", chat=None)) for prompt in prompts]
    used: JsonObject = {item_id: given for item_id, given in variables.items() if given}
    return digest_of([*rows, {"template_variables": used}] if used else rows)


def read_item(suite: Suite, item: Item, chat: ChatFormat) -> Reading:
    """Return an item as the model reads it: through the chat template, or as plain text where it is raw.

    Raises:
        TemplateRefusalError: where the chat template refuses it.
    """
    if item.raw:
        return chat.read_text("\n".join(message.content for message in item.messages))
    return chat.read(item.messages, tools=item.tools, variables=suite.variables_of(item))


def item_readings(suite: Suite, chat: ChatFormat) -> Iterator[tuple[Item, Reading | InputError]]:
    """Yield every item with its reading, or with why there is none."""
    for item in suite.items:
        try:
            yield item, read_item(suite, item, chat)
        except InputError as error:
            yield item, error


def _readings(suite: Suite, chat: ChatFormat) -> list[Reading]:
    readings = []
    refused: list[tuple[Item, InputError]] = []
    for item, result in item_readings(suite, chat):
        if isinstance(result, InputError):
            refused.append((item, result))
        else:
            readings.append(result)
    if refused:
        item, error = refused[0]
        others = ", ".join(f"'{other.id}'" for other, _ in refused[1 : _MOST_NAMED + 1])
        left = len(refused) - 1 - _MOST_NAMED
        more = f"; so it is with {others}" if others else ""
        more += f" and {left} more" if left > 0 else ""
        raise InputError(
            f"item '{item.id}': {error.what}{more}",
            where=f"suite {suite.name}",
            next_step="change these items, or correct the model's chat template (its folder's "
            "chat_template.jinja wins over tokenizer_config.json)",
        ) from error
    return readings


def _prompt(suite: Suite, item: Item, reading: Reading) -> Prompt:
    decode = suite.decode_of(item)
    bound = item.schema is not None and decode.constrained
    return Prompt(
        item_id=item.id,
        token_ids=reading.token_ids,
        max_tokens=decode.max_tokens if decode.max_tokens != suite.decode.max_tokens else None,
        temperature=decode.temperature if decode.temperature != suite.decode.temperature else None,
        stop=decode.stop,
        schema=_in_order(item.schema) if bound else None,
        text=reading.text,
        chat=None if reading.begins else _chat(suite, item),
    )


def _in_order(schema: JsonObject | None) -> str:
    """Serialize a schema; the order of its keys is the order in which a grammar asks for them."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _chat(suite: Suite, item: Item) -> JsonObject:
    """What OpenAI's chat interface is sent; fields that a message does not have are left out.

    `chat_template_kwargs` is how servers call a template's variables (llama-server, vLLM, SGLang,
    `transformers serve`).
    """
    chat: JsonObject = {"messages": [_sent(message) for message in item.messages]}
    if item.tools:
        chat["tools"] = list(item.tools)
    if variables := suite.variables_of(item):
        chat["chat_template_kwargs"] = variables
    return chat


def _sent(message: Message) -> JsonObject:
    """Return a message in OpenAI's form, where a call's arguments are JSON text."""
    sent: JsonObject = {
        key: value for key, value in asdict(message).items() if value or key == "content"
    }
    if message.tool_calls:
        sent["tool_calls"] = [_sent_call(call) for call in message.tool_calls]
    return sent


def _sent_call(call: JsonObject) -> JsonObject:
    function = call.get("function")
    if not isinstance(function, dict) or isinstance(function.get("arguments"), str | None):
        return call
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}


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
            lengths_of(slice_spec.name for slice_spec in suite.slices), context_length_tokens
        )
        or "shorten or remove these items, or lower decode.max_tokens",
    )
