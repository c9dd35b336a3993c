"""Any architecture that a tool has is accepted; what nobody reviewed is called so."""

import json
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools
from quantgate.pipelines.domain.architectures import LLAMA_CPP, TRANSFORMERS, ToolArchitectures
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.configuration.language_config import NO_LIMIT_TOKENS
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from tests.support.models.checkpoints import (
    CONFIG,
    Words,
    edit_json,
    weights,
    write_checkpoint,
    write_safetensors,
)

TOOLS = (
    ToolArchitectures(
        tool=LLAMA_CPP,
        label="llama.cpp's converter (0.3.36)",
        names=frozenset({"LlamaForCausalLM", "MambaForCausalLM", "InternLM2ForCausalLM"}),
    ),
    ToolArchitectures(
        tool=TRANSFORMERS,
        label="transformers 5.17.0",
        names=frozenset({"LlamaForCausalLM", "MambaForCausalLM", "BltForCausalLM"}),
    ),
)


def resolved(folder: Path, store: Store) -> Checkpoint:
    return resolve_checkpoint(
        str(folder),
        name=None,
        store=store,
        hub=HubSettings(),
        tools=CheckpointTools(architectures=TOOLS),
    )


def called(folder: Path, architecture: str, **changes: object) -> Path:
    write_checkpoint(folder)
    edit_json(folder / "config.json", architectures=[architecture], **changes)
    return folder


def renamed(folder: Path, old: str, new: str) -> None:
    """Store the weights under other names."""
    stored = {name.replace(old, new): values for name, values in weights().items()}
    write_safetensors(folder / "model.safetensors", stored)


def test_a_reviewed_architecture_is_nothing_to_speak_of(tmp_path: Path, store: Store) -> None:
    checkpoint = resolved(called(tmp_path / "model", "LlamaForCausalLM"), store)
    assert checkpoint.architecture_review == "reviewed"
    assert checkpoint_notes(checkpoint) == ()


def test_an_architecture_that_both_tools_have_is_accepted_and_unreviewed(
    tmp_path: Path, store: Store
) -> None:
    checkpoint = resolved(called(tmp_path / "model", "MambaForCausalLM"), store)
    assert checkpoint.architecture_review == "unreviewed"
    assert checkpoint.tool_refusals == ()
    (note,) = checkpoint_notes(checkpoint)
    assert note.startswith("architecture: unreviewed (MambaForCausalLM ")


@pytest.mark.parametrize(
    ("architecture", "tool", "why"),
    [
        ("InternLM2ForCausalLM", TRANSFORMERS, "transformers 5.17.0 has no InternLM2ForCausalLM"),
        ("BltForCausalLM", LLAMA_CPP, "llama.cpp's converter (0.3.36) has no BltForCausalLM"),
    ],
)
def test_a_tool_that_lacks_the_architecture_is_named_with_its_version(
    architecture: str, tool: str, why: str, tmp_path: Path, store: Store
) -> None:
    checkpoint = resolved(called(tmp_path / "model", architecture), store)
    assert checkpoint.refused_by(tool) == why
    assert f"{why}, so what needs it is left out" in checkpoint_notes(checkpoint)


def test_an_architecture_that_no_tool_has_is_refused_with_the_nearest_names(
    tmp_path: Path, store: Store
) -> None:
    with pytest.raises(CheckpointError) as refusal:
        resolved(called(tmp_path / "model", "Mamba9ForCausalLM"), store)
    assert refusal.value.what == (
        "no language model is called Mamba9ForCausalLM in llama.cpp's converter (0.3.36) nor "
        "transformers 5.17.0"
    )
    assert refusal.value.next_step is not None
    assert "MambaForCausalLM" in refusal.value.next_step


def test_code_that_comes_along_is_never_run_and_refuses_nothing_that_tools_have(
    tmp_path: Path, store: Store
) -> None:
    folder = called(
        tmp_path / "model", "LlamaForCausalLM", auto_map={"AutoModel": "modeling.Llama"}
    )
    (note,) = checkpoint_notes(resolved(folder, store))
    assert "it is never run" in note


def test_a_model_that_reads_with_an_encoder_is_refused(tmp_path: Path, store: Store) -> None:
    folder = called(tmp_path / "model", "LlamaForCausalLM", is_encoder_decoder=True)
    with pytest.raises(CheckpointError, match="reads with an encoder"):
        resolved(folder, store)


def test_a_model_without_positions_has_the_context_that_llama_cpp_gives_it(
    tmp_path: Path, store: Store
) -> None:
    folder = called(
        tmp_path / "model", "MambaForCausalLM", model_type="mamba", max_position_embeddings=None
    )
    assert resolved(folder, store).context_length_tokens == NO_LIMIT_TOKENS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model.embed_tokens", "transformer.wte"),
        ("model.embed_tokens", "gpt_neox.embed_in"),
        ("model.embed_tokens", "backbone.embeddings"),
    ],
)
def test_embeddings_of_another_shape_are_refused_whatever_they_are_called(
    old: str, new: str, tmp_path: Path, store: Store
) -> None:
    folder = called(tmp_path / "model", "MambaForCausalLM", vocab_size=300)
    renamed(folder, old, new)
    with pytest.raises(
        CheckpointError, match=rf"{new}.weight is 257 x 128, config.json says 300 x 128"
    ):
        resolved(folder, store)


@pytest.mark.parametrize(
    "stack", ["transformer.h.", "gpt_neox.layers.", "backbone.layers.", "model.decoder.layers."]
)
def test_gaps_between_layers_are_refused_whatever_they_are_called(
    stack: str, tmp_path: Path, store: Store
) -> None:
    folder = called(tmp_path / "model", "MambaForCausalLM", num_hidden_layers=3)
    stored = weights()
    later = {
        name.replace("model.layers.1.", f"{stack}2."): values for name, values in stored.items()
    }
    moved = {
        name.replace("model.layers.0.", f"{stack}0."): values for name, values in later.items()
    }
    write_safetensors(folder / "model.safetensors", moved)
    with pytest.raises(CheckpointError, match=r"weights of 2 layers are there, config.json says 3"):
        resolved(folder, store)


@pytest.mark.parametrize(
    ("old", "new"), [("model.layers.", "model.shared."), ("model.embed_tokens", "model.rows")]
)
def test_where_names_say_nothing_nothing_is_refused(
    old: str, new: str, tmp_path: Path, store: Store
) -> None:
    folder = called(tmp_path / "model", "MambaForCausalLM")
    renamed(folder, old, new)
    assert resolved(folder, store)


def test_embeddings_of_a_width_of_their_own_are_accepted(tmp_path: Path, store: Store) -> None:
    """OPT-350M's are narrower than its layers."""
    folder = called(
        tmp_path / "model", "MambaForCausalLM", hidden_size=256, word_embed_proj_dim=128
    )
    assert resolved(folder, store)


def test_layers_that_guess_further_tokens_may_stand_behind_the_others(
    tmp_path: Path, store: Store
) -> None:
    folder = called(
        tmp_path / "model", "LlamaForCausalLM", num_hidden_layers=1, num_nextn_predict_layers=1
    )
    assert resolved(folder, store)


def test_a_layer_that_is_used_several_times_is_stored_once(tmp_path: Path, store: Store) -> None:
    """HRM counts each use."""
    assert resolved(called(tmp_path / "model", "MambaForCausalLM", num_hidden_layers=8), store)


def composite(folder: Path, vision: dict[str, Words]) -> Path:
    """A checkpoint whose language model stands inside one that sees."""
    write_checkpoint(folder)
    config = {
        "architectures": ["MambaForCausalLM"],
        "text_config": CONFIG,
        "vision_config": {"hidden_size": 8},
    }
    (folder / "config.json").write_text(json.dumps(config))
    language = {
        name.replace("model.", "model.language_model.", 1): w for name, w in weights().items()
    }
    write_safetensors(folder / "model.safetensors", language | vision)
    return folder


def test_what_sees_beside_the_language_model_is_named_and_not_checked(
    tmp_path: Path, store: Store
) -> None:
    matrix = weights()["model.layers.0.mlp.up_proj.weight"]
    vision = {
        "model.vision_tower.encoder.layers.0.fc.weight": matrix,
        "model.vision_tower.encoder.layers.7.fc.weight": matrix,
        "model.multi_modal_projector.linear.weight": matrix,
    }
    checkpoint = resolved(composite(tmp_path / "model", vision), store)
    assert checkpoint.parts_beside == ("model.multi_modal_projector", "model.vision_tower")
    assert checkpoint.context_length_tokens == CONFIG["max_position_embeddings"]
    assert any(
        "model.multi_modal_projector, model.vision" in note for note in checkpoint_notes(checkpoint)
    )
