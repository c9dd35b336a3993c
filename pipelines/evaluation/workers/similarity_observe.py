"""Worker: cosines of embeddings by a local model."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel

from quantgate.pipelines.checkpoints.config import COPY_AGAIN
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.evaluation.observing import ObserveCall, ObserveTally
from quantgate.pipelines.evaluation.workers.observations import observe_each, threads_allowed
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve

_REFUSED = ("missing_keys", "mismatched_keys", "error_msgs")
_UNUSED = "pooler."
"""Encoders saved with another head lack this layer, which only reads what is pooled here instead."""
_KEPT_TEXTS = 4096

Embed = Callable[[str], "torch.Tensor | None"]


def observe(call: ObserveCall, on_progress: OnProgress) -> ObserveTally:
    """Embed answers and references; an observation is `{cosines: [one a reference]}`.

    Raises:
        CheckpointError: where the folder holds no model that can be read whole.
    """
    embed = _embedder(Path(str(call.options["model"])), int(str(call.options["max_tokens"])))

    def observed(question: JsonValue) -> JsonValue:
        asked = cast("JsonObject", question)
        references = cast("list[JsonValue]", asked["references"])
        answer = embed(str(asked["answer"]))
        return {"cosines": [_cosine(answer, embed(str(reference))) for reference in references]}

    return observe_each(call, observed, on_progress)


def _cosine(left: torch.Tensor | None, right: torch.Tensor | None) -> float:
    """0 where either text has no token."""
    if left is None or right is None:
        return 0.0
    return float(torch.nn.functional.cosine_similarity(left, right, dim=0))


def _embedder(folder: Path, max_tokens: int) -> Embed:
    """Return text → mean over its tokens of the last hidden states, in float32, on the CPU."""
    torch.set_num_threads(threads_allowed())
    model, loading = _load(folder)
    missing = [
        str(key) for why in _REFUSED for key in loading.get(why, ()) if _UNUSED not in str(key)
    ]
    if missing:
        raise CheckpointError(
            f"lacks tensors of its architecture, the first is {missing[0]}",
            where=str(folder),
            next_step=COPY_AGAIN,
        )
    tokenizer = read_tokenizer(folder).tokenizer
    tokenizer.enable_truncation(min(max_tokens, _context(model)))

    @lru_cache(maxsize=_KEPT_TEXTS)
    def embed(text: str) -> torch.Tensor | None:
        ids = tokenizer.encode(text).ids
        if not ids:
            return None
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state
        return cast("torch.Tensor", hidden[0].float().mean(dim=0))

    return embed


def _load(folder: Path) -> tuple[torch.nn.Module, dict[str, Any]]:
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model, loading = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot be read as a model for embeddings: {error}",
            where=str(folder),
            next_step="give a folder with config.json, tokenizer.json and safetensors",
        ) from error
    return model.eval(), loading


def _context(model: torch.nn.Module) -> int:
    longest = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    return longest if isinstance(longest, int) and longest > 0 else 1 << 20


if __name__ == "__main__":
    serve(observe, ObserveCall)
