"""Names of the forms in which model families write tool calls."""

from typing import Literal

CallFormat = Literal[
    "json",
    "openai",
    "hermes",
    "llama",
    "pythonic",
    "mistral",
    "deepseek",
    "functionary",
    "qwen_coder",
    "glm",
    "gemma",
    "granite",
]

AnyCallFormat = CallFormat | Literal["auto"]
