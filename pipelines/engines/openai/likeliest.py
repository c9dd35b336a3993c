"""The likeliest next tokens, by id, as servers tell them.

Sources: `completion_token_output` in tools/server of llama.cpp (`logprobs.content[].top_logprobs[]` with
`id` and `logprob`), and `return_tokens_as_token_ids` of vLLM (vllm/entrypoints/openai:
`logprobs.top_logprobs[]` maps `token_id:NUMBER` to a log probability). Servers that name tokens by their text
alone are no help: several tokens have the same text.
"""

from collections.abc import Callable, Mapping, Sequence

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.divergence.base_messages import Passage
from quantgate.pipelines.engines.openai.dialects import first_choice

LIKELIEST = 20
"""What vLLM tells at most unless it is started otherwise (`--max-logprobs`)."""
NAN_REFUSED = "not JSON compliant"
"""What vLLM says, with status 400, where a log probability is no number."""
_ID = "token_id:"
_MOST_ASKED = 12
"""Each is a request of its own."""
_ASKED_TOKENS = 2

ReadLikeliest = Callable[[JsonObject], dict[int, float]]


def asking_likeliest(engine: str) -> JsonObject | None:
    """Return the fields that make a completion tell them; None where an engine names no ids."""
    return _ASKING.get(engine)


def likeliest(engine: str, reply: JsonObject) -> dict[int, float]:
    """Return log probabilities at the first generated token, by id; empty where there are none."""
    return _READING[engine](reply)


def asked_positions(
    passages: Sequence[Passage], context_tokens: int
) -> tuple[tuple[int, ...], ...]:
    """Return up to a dozen positions of each passage, evenly spread over what fits the context."""
    asked = []
    for passage in passages:
        fitting = [at for at in passage.positions if at + _ASKED_TOKENS < context_tokens]
        step = max(1, -(-len(fitting) // _MOST_ASKED))
        asked.append(tuple(sorted(fitting[::-1][::step])))
    return tuple(asked)


def _llama_server(reply: JsonObject) -> dict[int, float]:
    match first_choice(reply).get("logprobs"):
        case {"content": [{"top_logprobs": list(rows)}, *_]}:
            return dict(_rows(rows))
    return {}


def _rows(rows: list[JsonValue]) -> list[tuple[int, float]]:
    pairs = []
    for row in rows:
        match row:
            case {"id": int(token), "logprob": int() | float() as logprob}:
                pairs.append((token, float(logprob)))
    return pairs


def _vllm(reply: JsonObject) -> dict[int, float]:
    match first_choice(reply).get("logprobs"):
        case {"top_logprobs": [dict(first), *_]}:
            return {
                int(name.removeprefix(_ID)): float(logprob)
                for name, logprob in first.items()
                if name.startswith(_ID) and name.removeprefix(_ID).isdigit()
                if isinstance(logprob, int | float)
            }
    return {}


_ASKING: Mapping[str, JsonObject] = {
    "llama-server": {"logprobs": LIKELIEST},
    "vllm": {"logprobs": LIKELIEST, "return_tokens_as_token_ids": True},
}
_READING: Mapping[str, ReadLikeliest] = {"llama-server": _llama_server, "vllm": _vllm}
