"""Taking raw answers apart: by their text, their prompt, their tokens and what a server told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tokenizers import Tokenizer

from quantgate.pipelines.domain.run import Answer
from quantgate.pipelines.domain.suites.thoughts import FAMILIES, Spoken, Thoughts
from quantgate.pipelines.evaluation.sampling import sample_of
from quantgate.pipelines.evaluation.thought_tags import OPENING_TOKENS, THOUGHT_TOKENS
from quantgate.pipelines.evaluation.thoughts import opened_mark, spoken_part


@dataclass(frozen=True, kw_only=True)
class AnswerReader:
    """Tells thoughts from what is said.

    `prompts` are rendered prompts by answer id: one may end inside a thought. `tokenizer` is the
    checkpoint's: some families mark thoughts by special tokens, which runtimes leave out of texts, and it
    counts tokens. Without it tokens are counted by characters, in proportion.
    """

    thoughts: Thoughts = FAMILIES
    prompts: Mapping[str, str] = field(default_factory=dict)
    tokenizer: Tokenizer | None = None

    def read(self, answer: Answer) -> Spoken | None:
        """Return an answer taken apart, its thoughts counted in tokens; None where it has none."""
        spoken = self._parted_by_server(answer) if answer.reasoning else self._marked(answer)
        if spoken.finished and not spoken.thoughts and spoken.text == answer.text:
            return None
        return replace(spoken, thought_tokens=self._tokens(spoken, answer))

    def text_with_marks(self, answer: Answer) -> str:
        """Return the answer's text, with the special tokens in it that mark thoughts."""
        if self.tokenizer is None or not self.thoughts.families:
            return answer.text
        marks = self._marks
        if not any(marks.get(token) in OPENING_TOKENS for token in answer.token_ids):
            return answer.text
        decode = self.tokenizer.decode
        text, part = "", list[int]()
        for token in answer.token_ids:
            if token in marks:
                text, part = f"{text}{decode(part)}{marks[token]}", []
            else:
                part.append(token)
        whole, last = decode(list(answer.token_ids)), decode(part)
        # A stop text was cut off; an engine that writes spaces otherwise cut nothing.
        beyond_stop = len(whole) - len(answer.text) if whole.startswith(answer.text) else 0
        return text + last[: max(0, len(last) - beyond_stop)]

    @cached_property
    def _marks(self) -> Mapping[int, str]:
        """Special tokens of the vocabulary that thoughts are told by; texts hold the others already."""
        if self.tokenizer is None:
            return {}
        return {
            number: token.content
            for number, token in self.tokenizer.get_added_tokens_decoder().items()
            if token.special and token.content in THOUGHT_TOKENS
        }

    def _parted_by_server(self, answer: Answer) -> Spoken:
        """A server told thoughts and text apart; without a text the thought may never have ended."""
        spoken = spoken_part(answer.text, self.thoughts)
        silent = not answer.text.strip() and answer.finish_reason != "stop"
        return replace(
            spoken,
            thoughts="\n".join(
                thought for thought in (answer.reasoning, spoken.thoughts) if thought
            ),
            finished=spoken.finished and not silent,
        )

    def _marked(self, answer: Answer) -> Spoken:
        opened = opened_mark(self._prompt(answer.item_id), self.thoughts)
        return spoken_part(self.text_with_marks(answer), self.thoughts, opened=opened)

    def _prompt(self, answer_id: str) -> str:
        """The prompt of an answer; later steps of a loop open the assistant's turn as its first one does."""
        prompt = self.prompts.get(answer_id)
        return self.prompts.get(sample_of(answer_id), "") if prompt is None else prompt

    def _tokens(self, spoken: Spoken, answer: Answer) -> int:
        if not spoken.finished:
            return answer.length_tokens
        if not spoken.thoughts:
            return 0
        if self.tokenizer is not None:
            ids: Sequence[int] = self.tokenizer.encode(
                spoken.thoughts, add_special_tokens=False
            ).ids
            return min(len(ids), answer.length_tokens)
        thought, said = len(spoken.thoughts), len(spoken.text)
        return round(answer.length_tokens * thought / (thought + said))
