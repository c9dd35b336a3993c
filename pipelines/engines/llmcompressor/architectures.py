"""Architectures of which llm-compressor builds nothing, or not every recipe: what small random ones showed.

None of this shows in names and shapes; `make models` tries each of them (docs/models.md). Written for
transformers 5.17 and llm-compressor 0.14.
"""

from quantgate.pipelines.domain.architectures import TRANSFORMERS
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Calibration, Recipe

_LAYERS_OF_THEIR_OWN = {
    "FalconForCausalLM": "FalconLinear",
    "GPT2LMHeadModel": "Conv1D",
    "OpenAIGPTLMHeadModel": "Conv1D",
}
"""Classes, and their layers, which the target `Linear` does not match by name."""
_MISNAMED = {"HYV4ForCausalLM": "the experts' gate_proj as linear_gate"}
"""What transformers saves under the name of another layer: renamings of `conversion_mapping.py` that say too
little of where a name stands, taken back."""
_NEVER_CALIBRATED = {
    "ChameleonForConditionalGeneration": "its class has no forward pass that llm-compressor can call",
    "JanusForConditionalGeneration": "its class has no forward pass that llm-compressor can call",
    "MiniMaxM3SparseForConditionalGeneration": "llm-compressor traces it through the part that sees, "
    "which asks for an image",
}


def refusal(checkpoint: Checkpoint) -> str | None:
    """Return why no recipe fits the architecture; None where one may."""
    name = checkpoint.architecture
    if layer := _LAYERS_OF_THEIR_OWN.get(name):
        return (
            f"{name} is made of layers of its own ({layer}), none of which llm-compressor quantizes; "
            "GGUF recipes fit"
        )
    if misnamed := _MISNAMED.get(name):
        return (
            f"{name} would be stored under names that the checkpoint does not have: transformers saves "
            f"{misnamed}; GGUF recipes may fit"
        )
    return checkpoint.refused_by(TRANSFORMERS)


def uncalibrated(checkpoint: Checkpoint, recipe: Recipe) -> tuple[str, ...]:
    """Return why a recipe that calibrates does not fit the architecture; () where it may."""
    why = _NEVER_CALIBRATED.get(checkpoint.architecture)
    if why is None or recipe.calibration is Calibration.NONE:
        return ()
    return (f"{checkpoint.architecture} cannot be calibrated: {why}",)
