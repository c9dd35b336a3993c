"""FP8 weights with a scale for every square of them, as a folder's config.json declares them.

Source: `FineGrainedFP8Config` of transformers 5.17. A quantized layer `m` stores `m.weight` in float8 (E4M3)
and in `m.weight_scale_inv` what each square is multiplied with; activations get their scales as they come.
Who has no kernels for them (a CPU, among others) expands the weights and leaves activations as they are.
"""

from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

SCALE = "weight_scale_inv"
"""The last name of a layer's scales."""


def stored_square(folder: Path) -> int | None:
    """Return how many rows and columns share a scale; None where config.json declares another method.

    Raises:
        CheckpointError: where it declares this one in a way that is not known here, naming the key.
    """
    file = folder / "config.json"
    said = read_json_object(file).get("quantization_config")
    if not isinstance(said, dict) or said.get("quant_method") != Format.FP8:
        return None
    square = said.get("weight_block_size", [128, 128])
    _require("weight_block_size", square, _is_square(square), file)
    scheme = said.get("activation_scheme", "dynamic")
    _require("activation_scheme", scheme, scheme == "dynamic", file)
    numbers = said.get("fmt", "e4m3")
    _require("fmt", numbers, numbers == "e4m3", file)
    assert isinstance(square, list)
    assert isinstance(square[0], int)
    return square[0]


def _is_square(block: JsonValue) -> bool:
    match block:
        case [int(rows), int(columns)]:
            return rows == columns > 0
    return False


def _require(key: str, value: JsonValue, known_value: bool, file: Path) -> None:
    if not known_value:
        raise CheckpointError(
            f"quantization_config.{key} is {value!r}, which is not known",
            where=str(file),
            next_step="squares of E4M3 weights with dynamic activations can be read",
        )
