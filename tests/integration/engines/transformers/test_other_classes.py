"""Classes of other makes than Llama's answer in batches as they do alone: positions, ALiBi, states."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.models.bloom import BloomConfig
from transformers.models.falcon import FalconConfig
from transformers.models.gpt2 import GPT2Config
from transformers.models.jamba import JambaConfig
from transformers.models.lfm2 import Lfm2Config
from transformers.models.llama import LlamaConfig
from transformers.models.mamba import MambaConfig
from transformers.models.mistral import MistralConfig
from transformers.models.mpt import MptConfig
from transformers.utils import logging

from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.divergence.base_logits import BaseLogits, batch_tokens
from quantgate.pipelines.engines.requests import Prompt
from quantgate.pipelines.engines.transformers.workers.decode import decode_batch
from quantgate.pipelines.engines.transformers.workers.divergence import divergence
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel
from quantgate.pipelines.engines.transformers.workers.opening import opening_of
from quantgate.pipelines.formats.tokenizers.checkpoint import read_tokenizer
from tests.support.fakes import write_tokenizer

pytestmark = pytest.mark.integration

IDS, WIDTH, CONTEXT = 257, 64, 640
CONFIGS: dict[str, Any] = {
    "learned positions": GPT2Config(
        vocab_size=IDS, n_embd=WIDTH, n_layer=2, n_head=4, n_positions=CONTEXT
    ),
    "ALiBi, no positions taken": BloomConfig(
        vocab_size=IDS, hidden_size=WIDTH, n_layer=2, n_head=4
    ),
    "ALiBi of another make": MptConfig(vocab_size=IDS, d_model=WIDTH, n_layers=2, n_heads=4),
    "one head of keys": FalconConfig(
        vocab_size=IDS, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4
    ),
    "states instead of a cache": MambaConfig(
        vocab_size=IDS, hidden_size=WIDTH, num_hidden_layers=2, state_size=8
    ),
    "states beside attention": JambaConfig(
        vocab_size=IDS, hidden_size=WIDTH, intermediate_size=WIDTH, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, num_experts=1, num_experts_per_tok=1,
        attn_layer_period=2, attn_layer_offset=1, mamba_d_state=8, use_mamba_kernels=False,
        pad_token_id=0,
    ),
    "convolutions between attention": Lfm2Config(
        vocab_size=IDS, hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=128, layer_types=["conv", "full_attention", "conv"],
    ),
}  # fmt: skip
_LLAMA: dict[str, Any] = {
    "vocab_size": IDS, "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
_ROPE = {"rope_theta": 10_000.0}
_MORE_THAN_A_PART = 530
SETTINGS = DecodeSettings(max_tokens=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logging.disable_progress_bar()
    place = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(place)
    return place


def loaded_of(kind: str, folder: Path) -> LoadedModel:
    return loaded_from(CONFIGS[kind], folder)


def loaded_from(config: PreTrainedConfig, folder: Path) -> LoadedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3)  # small ones make every answer the same token
    return LoadedModel(
        model=model,
        tokenizer=read_tokenizer(folder).tokenizer,
        context_length_tokens=CONTEXT,
        device=torch.device("cpu"),
    )


def alone(loaded: LoadedModel, prompt: Prompt) -> list[int]:
    """The oracle: whole passages without a cache, the likeliest token each time."""
    ids = list(prompt.token_ids)
    with torch.inference_mode():
        for _ in range(SETTINGS.max_tokens):
            logits = loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits
            ids.append(int(logits[0, -1].argmax()))
    return ids[len(prompt.token_ids) :]


@pytest.mark.parametrize("shared_tokens", [0, 20])
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_ragged_batch_gives_what_each_prompt_gets_alone(
    kind: str, shared_tokens: int, folder: Path
) -> None:
    loaded = loaded_of(kind, folder)
    drawn = torch.Generator().manual_seed(1)
    lengths = (shared_tokens, 3, 30, 1, 17)
    opening, *others = (
        tuple(torch.randint(1, 250, (length,), generator=drawn).tolist()) for length in lengths
    )
    prompts = [Prompt(item_id=str(len(ids)), token_ids=opening + ids) for ids in others]
    rows = decode_batch(loaded, prompts, SETTINGS, frozenset())
    answers = [row.generated for row in rows]
    assert answers == [alone(loaded, prompt) for prompt in prompts]
    assert len({tuple(answer) for answer in answers}) > 1, (
        "an answer that hangs on nothing tells nothing"
    )


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(CONFIGS["states instead of a cache"], id="states"),
        pytest.param(CONFIGS["ALiBi of another make"], id="no positions taken"),
        pytest.param(MistralConfig(**_LLAMA, sliding_window=8), id="sliding windows"),
        pytest.param(
            LlamaConfig(**_LLAMA, rope_parameters={**_ROPE, "rope_type": "dynamic", "factor": 2.0}),
            id="frequencies by length",
        ),
    ],
)
def test_classes_that_would_go_on_otherwise_compute_every_prompt_whole(
    config: PreTrainedConfig, folder: Path
) -> None:
    loaded = loaded_from(config, folder)
    ids = tuple(range(30))
    prompts = [Prompt(item_id=str(last), token_ids=(*ids, last)) for last in (40, 50)]
    assert opening_of(loaded, prompts).token_ids == ()


@pytest.mark.parametrize("kind", CONFIGS)
def test_divergence_is_of_the_logits_that_a_passage_has_at_once(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    """A model is 0 away from its own logits, computed without a cache, whatever it keeps between parts."""
    loaded = loaded_of(kind, folder)
    drawn = torch.Generator().manual_seed(2)
    windows = (tuple(torch.randint(1, 250, (_MORE_THAN_A_PART,), generator=drawn).tolist()),)
    assert batch_tokens(IDS) < _MORE_THAN_A_PART
    with (tmp_path / "logits").open("w+b") as file:
        base = BaseLogits(IDS, file, windows)
        with torch.inference_mode():
            for window in windows:
                ids = torch.tensor([window[:-1]])
                base.add(loaded.model(input_ids=ids, use_cache=False).logits[0].numpy())
        measured = divergence(loaded, base)
    assert abs(measured.mean_kl) < 1e-5
    assert measured.top1_agreement == 1.0
