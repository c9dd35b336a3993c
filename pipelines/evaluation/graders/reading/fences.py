"""What stands around an answer and is no part of it: a Markdown fence, a template's end tokens."""

import re

_FENCE = re.compile(
    r"\A(?P<fence>`{3,}|~{3,})[ \t]*(?:(?:application/)?json(?!\w)[^\n`]*|\{[ .]*json(?!\w)[^\n`]*)?\r?\n"
    r"(?P<body>.*?)\r?\n?[ \t]*(?P=fence)\Z",
    re.DOTALL | re.IGNORECASE,
)
"""CommonMark's fences: three backticks or tildes or more, and an info string after the language's name."""

_ENDS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<end_of_turn>",
    "<|user|>",
    "<|observation|>",
    "</s>",
)


def unfenced(text: str) -> str:
    """Return `text` without surrounding whitespace and without one Markdown fence around all of it.

    The fence may name JSON as its language, in any case and with whatever attributes; no other one.
    """
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    return fenced["body"] if fenced else stripped


def without_end_tokens(text: str) -> str:
    """Return what an answer says: without the end tokens of a template, stripped."""
    rest = text.strip()
    while ended := next((end for end in _ENDS if rest.endswith(end)), None):
        rest = rest.removesuffix(ended).rstrip()
    return rest
