"""What transformers reads of a checkpoint is what it computes with, whatever a class does as it starts."""

from pathlib import Path

import pytest
import torch
from transformers import (
    FalconH1Config,
    FalconH1ForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    PreTrainedModel,
    YoutuConfig,
    YoutuForCausalLM,
)

from quantgate.pipelines.engines.workers.classes import auto_model

pytestmark = pytest.mark.integration

MAMBA = Mamba2Config(
    hidden_size=32,
    num_heads=4,
    head_dim=16,
    n_groups=1,
    state_size=8,
    num_hidden_layers=3,
    vocab_size=64,
    rescale_prenorm_residual=True,
)
FALCON_H1 = FalconH1Config(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
    mamba_d_ssm=64,
    mamba_n_heads=4,
    mamba_d_head=16,
    mamba_d_state=16,
    vocab_size=64,
)
YOUTU = YoutuConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=2,
    kv_lora_rank=16,
    q_lora_rank=16,
    qk_rope_head_dim=16,
    qk_nope_head_dim=16,
    v_head_dim=16,
    vocab_size=64,
    pad_token_id=3,
    bos_token_id=1,
    eos_token_id=2,
)


@pytest.mark.parametrize(
    "made", [Mamba2ForCausalLM(MAMBA), YoutuForCausalLM(YOUTU)], ids=["Mamba2", "Youtu"]
)
def test_weights_are_loaded_as_they_are_stored(made: PreTrainedModel, tmp_path: Path) -> None:
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.01)
    made.save_pretrained(tmp_path)
    loaded = auto_model(tmp_path).from_pretrained(tmp_path)
    stored = made.state_dict()
    changed = [name for name, read in loaded.state_dict().items() if not read.equal(stored[name])]
    assert changed == []


def test_what_no_checkpoint_stores_is_started_all_the_same(tmp_path: Path) -> None:
    made = FalconH1ForCausalLM(FALCON_H1)
    made.save_pretrained(tmp_path)
    loaded = auto_model(tmp_path).from_pretrained(tmp_path)
    buffers = dict(loaded.named_buffers())
    assert any(name.endswith("mup_vector") for name in buffers)
    changed = [name for name, made in made.named_buffers() if not buffers[name].equal(made)]
    assert changed == []
