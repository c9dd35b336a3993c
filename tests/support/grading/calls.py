"""Writes calls as the chat templates of the main model families have a model write them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Call = tuple[str, dict[str, Any]]
Write = Callable[[Sequence[Call]], str]


def _objects(calls: Sequence[Call], arguments: str = "arguments") -> list[str]:
    return [
        json.dumps({"name": name, arguments: given}, ensure_ascii=False) for name, given in calls
    ]


def as_json(calls: Sequence[Call]) -> str:
    """A bare array."""
    return f"[{', '.join(_objects(calls))}]"


def as_openai(calls: Sequence[Call]) -> str:
    """OpenAI's message, arguments as text."""
    listed = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": n, "arguments": json.dumps(a)},
        }
        for at, (n, a) in enumerate(calls)
    ]
    return json.dumps({"role": "assistant", "content": None, "tool_calls": listed})


def as_hermes(calls: Sequence[Call]) -> str:
    """Hermes and Qwen."""
    return "\n".join(f"<tool_call>\n{one}\n</tool_call>" for one in _objects(calls))


def as_llama(calls: Sequence[Call]) -> str:
    """Llama 3."""
    return "<|python_tag|>" + "; ".join(_objects(calls, "parameters"))


def as_pythonic(calls: Sequence[Call]) -> str:
    """Llama 3.2 and 4, and BFCL's own prompt."""
    each = [f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})" for name, given in calls]
    return f"[{', '.join(each)}]"


def as_mistral(calls: Sequence[Call]) -> str:
    """Mistral, up to tokenizer v7."""
    return f"[TOOL_CALLS]{as_json(calls)}"


def as_mistral_named(calls: Sequence[Call]) -> str:
    """Mistral, from tokenizer v11 on."""
    return "".join(f"[TOOL_CALLS]{name}[ARGS]{json.dumps(given)}" for name, given in calls)


def as_deepseek_fenced(calls: Sequence[Call]) -> str:
    """DeepSeek V3 and R1."""
    each = "\n".join(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n"  # noqa: RUF001 - DeepSeek's own letters
        f"```json\n{json.dumps(given)}\n```<｜tool▁call▁end｜>"  # noqa: RUF001
        for name, given in calls
    )
    return f"<｜tool▁calls▁begin｜>{each}<｜tool▁calls▁end｜>"  # noqa: RUF001


def as_deepseek(calls: Sequence[Call]) -> str:
    """DeepSeek V3.1."""
    each = "".join(
        f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{json.dumps(given)}<｜tool▁call▁end｜>"  # noqa: RUF001
        for name, given in calls
    )
    return f"<｜tool▁calls▁begin｜>{each}<｜tool▁calls▁end｜>"  # noqa: RUF001


def as_functionary(calls: Sequence[Call]) -> str:
    """Functionary, and Llama 3.1's custom tools."""
    return "".join(f"<function={name}>{json.dumps(given)}</function>" for name, given in calls)


def as_qwen_coder(calls: Sequence[Call]) -> str:
    """Qwen3-Coder: text between tags."""
    return "\n".join(
        f"<tool_call>\n<function={name}>\n"
        + "".join(f"<parameter={k}>\n{_between_tags(v)}\n</parameter>\n" for k, v in given.items())
        + "</function>\n</tool_call>"
        for name, given in calls
    )


def as_glm(calls: Sequence[Call]) -> str:
    """GLM 4.5: keys and values between tags."""
    return "\n".join(
        f"<tool_call>{name}\n"
        + "".join(
            f"<arg_key>{k}</arg_key>\n<arg_value>{_between_tags(v)}</arg_value>\n"
            for k, v in given.items()
        )
        + "</tool_call>"
        for name, given in calls
    )


def as_gemma(calls: Sequence[Call]) -> str:
    """Gemma."""
    return f"```tool_code\n{as_pythonic(calls)}\n```"


def as_granite(calls: Sequence[Call]) -> str:
    """Granite 3."""
    return f"<|tool_call|>{as_json(calls)}"


def as_harmony(calls: Sequence[Call]) -> str:
    """gpt-oss: as OpenAI's library renders it, and as a model writes it after its thoughts."""
    return "<|start|>assistant".join(
        f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{json.dumps(given)}<|call|>"
        for name, given in calls
    )


def as_harmony_template(calls: Sequence[Call]) -> str:
    """gpt-oss: as its chat template writes it, the recipient before the channel."""
    return "".join(
        f"<|start|>assistant to=functions.{name}<|channel|>commentary json"
        f"<|message|>{json.dumps(given)}<|call|>"
        for name, given in calls
    )


def as_kimi(calls: Sequence[Call]) -> str:
    """Kimi K2."""
    each = "".join(
        f"<|tool_call_begin|>functions.{name}:{at}<|tool_call_argument_begin|>{json.dumps(given)}"
        "<|tool_call_end|>"
        for at, (name, given) in enumerate(calls)
    )
    return f"<|tool_calls_section_begin|>{each}<|tool_calls_section_end|>"


def as_cohere(calls: Sequence[Call]) -> str:
    """Command R7B and A."""
    listed = [
        {"tool_call_id": str(at), "tool_name": name, "parameters": given}
        for at, (name, given) in enumerate(calls)
    ]
    return f"<|START_ACTION|>{json.dumps(listed, indent=4)}<|END_ACTION|>"


def as_minimax(calls: Sequence[Call]) -> str:
    """MiniMax M2."""
    each = "\n".join(
        f'<invoke name="{name}">\n'
        + "".join(
            f'<parameter name="{k}">{_between_tags(v)}</parameter>\n' for k, v in given.items()
        )
        + "</invoke>"
        for name, given in calls
    )
    return f"<minimax:tool_call>\n{each}\n</minimax:tool_call>"


def as_nemotron(calls: Sequence[Call]) -> str:
    """Nemotron."""
    return f"<TOOLCALL>{as_json(calls)}</TOOLCALL>"


def as_olmo(calls: Sequence[Call]) -> str:
    """Olmo 3."""
    each = [f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})" for name, given in calls]
    return "<function_calls>" + "\n".join(each) + "</function_calls>"


def _between_tags(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


WRITERS: Mapping[str, tuple[str, Write]] = {
    "json": ("json", as_json),
    "openai": ("openai", as_openai),
    "hermes": ("hermes", as_hermes),
    "llama": ("llama", as_llama),
    "pythonic": ("pythonic", as_pythonic),
    "mistral": ("mistral", as_mistral),
    "mistral, named": ("mistral", as_mistral_named),
    "deepseek, fenced": ("deepseek", as_deepseek_fenced),
    "deepseek": ("deepseek", as_deepseek),
    "functionary": ("functionary", as_functionary),
    "qwen_coder": ("qwen_coder", as_qwen_coder),
    "glm": ("glm", as_glm),
    "gemma": ("gemma", as_gemma),
    "granite": ("granite", as_granite),
    "harmony": ("harmony", as_harmony),
    "harmony, template": ("harmony", as_harmony_template),
    "kimi": ("kimi", as_kimi),
    "cohere": ("cohere", as_cohere),
    "minimax": ("minimax", as_minimax),
    "nemotron": ("nemotron", as_nemotron),
    "olmo": ("olmo", as_olmo),
}
"""Every layout: the format's name, and what writes it."""
