"""What stands around an answer and is no part of it: a Markdown fence, a template's end tokens."""

import re

_FENCE = re.compile(r"\A```(?:json)?[ \t]*\r?\n(?P<body>.*?)\r?\n?```\Z", re.DOTALL)
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
    """Return `text` without surrounding whitespace and without one Markdown fence around all of it."""
    stripped = text.strip()
    fenced = _FENCE.match(stripped)
    return fenced["body"] if fenced else stripped


def without_end_tokens(text: str) -> str:
    """Return what an answer says: without the end tokens of a template, stripped."""
    rest = text.strip()
    while ended := next((end for end in _ENDS if rest.endswith(end)), None):
        rest = rest.removesuffix(ended).rstrip()
    return rest
