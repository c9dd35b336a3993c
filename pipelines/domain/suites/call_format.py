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
    "harmony",
    "kimi",
    "cohere",
    "minimax",
    "nemotron",
    "olmo",
]

AnyCallFormat = CallFormat | Literal["auto"]
