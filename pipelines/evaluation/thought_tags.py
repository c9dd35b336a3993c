"""How model families mark their thoughts, as patterns.

Sources are the families' own chat templates and the readers of thoughts in vLLM and SGLang:

- `<think>` DeepSeek R1 and V3.1, Qwen 3, QwQ, GLM 4.5, SmolLM 3, Granite 3.3, MiniMax, Phi 4
  reasoning, Olmo 3; `<seed:think>` Seed-OSS; `<longcat_think>` LongCat; `<thought>` EXAONE Deep; others
  by fine-tunes
- `[THINK]` Magistral; `◁think▷` Kimi-VL; `<|START_THINKING|>` Command A; `<|think|>` Solar;
  `<|begin_of_thought|>` OpenThinker; `<|inner_prefix|>` Apertus; `<unused94>thought` MedGemma;
  `<|channel>thought` Gemma 4
- `<|channel|>analysis<|message|>` … `<|end|>`: gpt-oss (the harmony format); where special tokens were
  dropped from the text only `analysis…assistantfinal` is left of it
- `Here is my thought process:` … `Here is my response:`: Granite 3.2
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from quantgate.pipelines.domain.suites.thoughts import Thoughts

_ELEMENTS = (
    *("think", "thinking", "thought", "thoughts", "reasoning"),
    *("seed:think", "longcat_think"),
)
_PAIRS = (
    *((f"<{name}>", f"</{name}>") for name in _ELEMENTS),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<unused94>thought", "<unused95>"),
    ("<|channel>thought", "<channel|>"),
)
_HARMONY = r"(?:<\|start\|>assistant)?<\|channel\|>"

THOUGHT_TOKENS = frozenset(
    {
        *(mark for pair in _PAIRS for mark in pair),
        *("<unused94>", "<|channel>", "<|think|>", "<|/think|>"),
        *("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|begin|>", "<|content|>"),
        *("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    }
)
"""Of which special tokens in a vocabulary thoughts are told. Runtimes leave special tokens out of texts."""

OPENING_TOKENS = THOUGHT_TOKENS - {
    "<|message|>",
    "<|start|>",
    "<|end|>",
    "<|begin|>",
    "<|content|>",
}
"""Those that say by themselves that a model thinks."""

HEADER = re.compile(
    rf"(?:{_HARMONY}final(?: ?<\|constrain\|>\w{{1,20}})?<\|message\|>"
    r"|<\|START_RESPONSE\|>|<\|begin_of_solution\|>)",
)
"""What stands before an answer and says that it is one."""

TRAILER = re.compile(r"(?:<\|END_RESPONSE\|>|<\|end_of_solution\|>|<\|return\|>|<\|end\|>)\s*\Z")
"""What stands after an answer that had a header."""


@dataclass(frozen=True, slots=True)
class ThoughtMark:
    """How one kind of thought opens and closes.

    `bare`: its closing alone says that one was there. `again`: it may stand further on in an answer.
    """

    opens: re.Pattern[str]
    closes: re.Pattern[str]
    bare: bool = True
    again: bool = True


def _mark(opens: str, closes: str, *, bare: bool = True, again: bool = True) -> ThoughtMark:
    return ThoughtMark(
        re.compile(opens, re.IGNORECASE), re.compile(closes, re.IGNORECASE), bare, again
    )


_FAMILIES = (
    *(_mark(re.escape(opens), re.escape(closes)) for opens, closes in _PAIRS),
    _mark(
        rf"{_HARMONY}analysis<\|message\|>",
        rf"<\|end\|>(?:{_HARMONY}final<\|message\|>|<\|start\|>assistant(?!<\|channel\|>))?",
        bare=False,
    ),
    _mark(
        r"<\|think\|>",
        r"<\|/think\|>|<\|end\|>(?:<\|begin\|>assistant(?:<\|content\|>)?)?",
        bare=False,
    ),
    # Only with its end: an answer may begin with the word.
    _mark(r"analysis(?=(?s:.*?)assistantfinal)", r"assistantfinal", bare=False, again=False),
    _mark(
        r"here(?:'s| is) my thought process:",
        r"here(?:'s| is) my response:",
        bare=False,
        again=False,
    ),
)


@lru_cache(maxsize=64)
def marks_of(thoughts: Thoughts) -> tuple[ThoughtMark, ...]:
    """Return the marks that a suite's answers may have, its own tags first."""
    suite_marks = tuple(_mark(re.escape(tag.opens), re.escape(tag.closes)) for tag in thoughts.tags)
    return (*suite_marks, *_FAMILIES) if thoughts.families else suite_marks
