"""Which class of transformers a checkpoint folder is loaded with."""

from pathlib import Path
from typing import Any

import transformers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.workers.weights_as_read import keep_weights_as_read
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.formats.configuration.transformers_source import auto_class

_MAPPINGS = {
    "AutoModelForCausalLM": MODEL_FOR_CAUSAL_LM_MAPPING,
    "AutoModelForImageTextToText": MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
}


def auto_model(folder: Path) -> Any:
    """Return the class whose `from_pretrained` loads all parts of a checkpoint, its weights as they are."""
    keep_weights_as_read()
    return getattr(transformers, auto_class(read_json_object(folder / "config.json")))


def model_class(config: object, folder: Path) -> Any:
    """Return the model's own class for a configuration of transformers, which loads weights as they are.

    Raises:
        CheckpointError: where it has no language model of that kind.
    """
    keep_weights_as_read()
    mapping = _MAPPINGS[auto_class(read_json_object(folder / "config.json"))]
    if type(config) not in mapping:
        raise CheckpointError(
            f"{type(config).__name__} has no causal language model in transformers",
            where=str(folder / "config.json"),
            next_step="name a checkpoint of a model that writes text on (a causal language model)",
        )
    return mapping[type(config)]
