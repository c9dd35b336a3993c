"""Which modules stand beside a language model, by the names of released checkpoints."""

import pytest

from quantgate.pipelines.checkpoints.language_tensors import parts_beside

LAYER = "layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("names", "beside"),
    [
        (
            (
                f"language_model.model.{LAYER}",
                "language_model.lm_head.weight",
                "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight",
                "multi_modal_projector.mm_input_projection_weight",
            ),
            ("multi_modal_projector", "vision_tower"),
        ),
        ((f"model.{LAYER}", "lm_head.weight", "visual.blocks.0.mlp.fc1.weight"), ("visual",)),
        (
            (f"model.language_model.{LAYER}", "model.visual.merger.mlp.0.weight", "lm_head.weight"),
            ("model.visual",),
        ),
        (
            (
                f"model.text_model.{LAYER}",
                "model.vision_model.encoder.layers.0.w",
                "model.connector.w",
            ),
            ("model.connector", "model.vision_model"),
        ),
        (
            (
                f"model.{LAYER}",
                "model.embed_tokens.weight",
                "model.audio_tower.layers.0.fc1.weight",
            ),
            ("model.audio_tower",),
        ),
        (
            (f"model.{LAYER}", "mlp_AR.linear_1.weight", "visual.vision_model.layers.0.w"),
            ("mlp_AR", "visual"),
        ),
        ((f"model.{LAYER}", "model.norm.weight", "lm_head.weight"), ()),
    ],
)
def test_modules_that_see_or_hear_are_told_by_name(
    names: tuple[str, ...], beside: tuple[str, ...]
) -> None:
    assert parts_beside(names) == beside
