"""What a suite, an item or a build hands to the model's chat template beside the conversation."""

import re
from typing import Annotated

from pydantic import AfterValidator, JsonValue

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = (
    "messages", "tools", "add_generation_prompt", "continue_final_message", "chat_template", "tokenize",
    "return_dict", "return_tensors", "padding", "truncation", "max_length", "conversation",
)  # fmt: skip
"""What `apply_chat_template` and servers set themselves."""


def _usable(variables: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for name in variables:
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{name}' is no name that a template can use")
        if name in _OURS:
            raise ValueError(f"'{name}' is set by whoever renders the template, not by a suite")
    return variables


TemplateVariables = Annotated[dict[str, JsonValue], AfterValidator(_usable)]
"""Values by name, e.g. `{enable_thinking: false}`."""
