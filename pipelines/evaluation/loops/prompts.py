"""Prompts of a loop's later steps: made in the same way as every first prompt."""

from dataclasses import dataclass, replace
from functools import cached_property

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.suite import Item, Message, Suite
from quantgate.pipelines.domain.suites.turns import Loop
from quantgate.pipelines.domain.values import Digest, canonical_json, digest_of
from quantgate.pipelines.engines.prompt_lengths import PromptSet
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.evaluation.loops.conversation import Conversation, script_of
from quantgate.pipelines.evaluation.loops.functions import MOST_RESULT_CHARACTERS
from quantgate.pipelines.evaluation.loops.history import HistoryForm, history_form, messages_of
from quantgate.pipelines.evaluation.prompts import asked_prompt
from quantgate.pipelines.files.sources import source_digest

_TEMPLATE_TOKENS = 64
"""What a template may write around a message."""
_ERROR_TOKENS = 128
"""What the result of a call that cannot be answered may take."""


@dataclass(frozen=True, kw_only=True)
class LoopPrompts:
    """How one checkpoint is asked the later steps of a suite's loops."""

    suite: Suite
    chat: ChatFormat
    context_length_tokens: int

    @cached_property
    def form(self) -> HistoryForm:
        """How this checkpoint's chat template takes calls and their results."""
        return history_form(self.chat)

    @property
    def digest(self) -> Digest:
        """Identity of how conversations go on: later prompts are made of answers, and are in no digest."""
        return digest_of(
            [self.chat.digest, source_digest("quantgate.pipelines.evaluation.loops.waves")]
        )

    @cached_property
    def longest_tokens(self) -> int:
        """The most tokens that a conversation may have with its last answer, never more than the context.

        Every step may bring an answer of the most tokens and the longest result of a tool, twice over where
        its calls are several; what grows beyond that is a conversation that has lost its thread.
        """
        longest = 0
        for item in loop_items(self.suite):
            loop = script_of(item)
            room = self.suite.decode_of(item).max_tokens
            said = sum(len(self.chat.token_ids(message.content)) for message in item.script)
            step = 2 * (room + self._longest_result(loop) + _TEMPLATE_TOKENS)
            longest = max(longest, said + self._tools_tokens(item) + loop.max_steps * step)
        return min(self.context_length_tokens, longest)

    @property
    def at_longest(self) -> PromptSet:
        """Every conversation as its longest prompt may be, of tokens that mean nothing."""
        answer = self.suite.decode.max_tokens
        prompt_tokens = (0,) * max(1, self.longest_tokens - answer)
        items = loop_items(self.suite)
        prompts = [
            Prompt(item_id=item.id, token_ids=prompt_tokens, max_tokens=answer) for item in items
        ]
        return PromptSet(prompts=prompts, max_tokens=answer)

    def _longest_result(self, loop: Loop) -> int:
        results = [row.result for tool in loop.tools for row in tool.rows]
        results += [tool.otherwise or "" for tool in loop.tools]
        computed = any(tool.function is not None for tool in loop.tools)
        most = max((len(self.chat.token_ids(result)) for result in results), default=0)
        return max(most, MOST_RESULT_CHARACTERS if computed else _ERROR_TOKENS)

    def _tools_tokens(self, item: Item) -> int:
        return 2 * len(self.chat.token_ids(canonical_json(list(item.tools)))) if item.tools else 0

    def messages(self, conversation: Conversation) -> tuple[Message, ...]:
        """Return a conversation so far as the model is to see it."""
        results = script_of(conversation.item).results_as
        form = self.form if results == "auto" else replace(self.form, results=results)
        return messages_of(conversation, form)

    def prompt(self, conversation: Conversation, answer_id: str) -> Prompt | Answer:
        """Return the prompt of the next step, or, where it cannot be asked, the answer that says so.

        A conversation that leaves no room for an answer, or that the template refuses (with what the model
        itself said in it), ends: that is the model's doing and no error of the run.
        """
        item = conversation.item
        continued = replace(item, messages=self.messages(conversation))
        try:
            prompt = asked_prompt(self.suite, continued, self.chat)
        except InputError as error:
            return _unasked(answer_id, error.what, 0)
        length, room = len(prompt.token_ids), self.suite.decode_of(item).max_tokens
        if length + room > self.longest_tokens:
            return _unasked(answer_id, "", length)
        return replace(prompt, item_id=answer_id)


def _unasked(answer_id: str, why: str, prompt_tokens: int) -> Answer:
    return Answer(
        item_id=answer_id,
        text=why,
        token_ids=(),
        finish_reason="error" if why else "context",
        prompt_tokens=prompt_tokens,
    )


def loop_items(suite: Suite) -> tuple[Item, ...]:
    """Return the items that are conversations."""
    return tuple(item for item in suite.items if item.loop is not None)
