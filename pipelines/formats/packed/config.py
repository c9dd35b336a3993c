"""AWQ's gemm layout and GPTQ's, as a folder's config.json declares them.

Sources: `AwqConfig.to_transformers_dict` of autoawq 0.2.9; `BaseQuantizeConfig` of auto-gptq 0.7.1, for
`checkpoint_format` gptqmodel 7.6; what transformers 5.17 (utils/quantization_config.py) and vLLM
(model_executor/layers/quantization: awq, awq_marlin, gptq, auto_gptq) read of them.
"""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.formats.tokenizers.folder import read_json_object

PARTS = {
    Format.AWQ: ("qweight", "qzeros", "scales"),
    Format.GPTQ: ("qweight", "qzeros", "scales", "g_idx"),
}
"""Last names of the tensors that stand in place of a quantized layer's `weight`."""

_BITS = 4
_WHOLE_COLUMN = -1
_ZERO_OFFSETS = {"gptq": 1, "gptq_v2": 0}
_NEXT = "4-bit weights in AWQ's gemm layout, GPTQ's, or compressed-tensors can be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLayout:
    """How 4-bit weights are laid out. `group_size` inputs share a scale, None: all of them.

    `symmetric` promises that every zero point is 8, which engines then do not read; `zero_offset` is what
    was taken off zero points before they were stored (GPTQ's first layout: 1); `any_order` says that
    inputs need not belong to groups in their order (GPTQ's `desc_act`).
    """

    format: Format
    group_size: int | None
    symmetric: bool = False
    zero_offset: int = 0
    any_order: bool = False


def awq_config(group_size: int, left_out: tuple[str, ...]) -> JsonObject:
    """Return `quantization_config` of AWQ's gemm layout; `left_out` names linear layers kept whole."""
    return {
        "quant_method": "awq",
        "bits": _BITS,
        "group_size": group_size,
        "zero_point": True,
        "version": "gemm",
        "modules_to_not_convert": list(left_out) or None,
    }


def gptq_config(group_size: int) -> JsonObject:
    """Return `quantization_config` of GPTQ's first layout: symmetric, groups in order."""
    return {
        "quant_method": "gptq",
        "bits": _BITS,
        "group_size": group_size,
        "sym": True,
        "desc_act": False,
        "checkpoint_format": "gptq",
    }


def stored_layout(folder: Path) -> PackedLayout | None:
    """Return the layout that a folder's config.json declares; None where it is neither AWQ's nor GPTQ's.

    Raises:
        CheckpointError: where it is one of theirs that is not known here, naming the key.
    """
    file = folder / "config.json"
    config = read_json_object(file).get("quantization_config")
    if not isinstance(config, dict):
        return None
    match config.get("quant_method"):
        case "awq":
            return _awq(config, str(file))
        case "gptq":
            return _gptq(config, str(file))
    return None


def _awq(config: JsonObject, where: str) -> PackedLayout:
    _require(config, where, key="version", among=("gemm",))
    _require(config, where, key="zero_point", among=(True,))
    return PackedLayout(format=Format.AWQ, group_size=_group_size(config, where))


def _gptq(config: JsonObject, where: str) -> PackedLayout:
    config = {
        "checkpoint_format": "gptq",
        **config,
    }  # auto-gptq wrote no other before it had a name
    for key in ("sym", "desc_act"):
        _require(config, where, key=key, among=(True, False))
    _require(config, where, key="checkpoint_format", among=tuple(_ZERO_OFFSETS))
    return PackedLayout(
        format=Format.GPTQ,
        group_size=_group_size(config, where),
        symmetric=config["sym"] is True,
        zero_offset=_ZERO_OFFSETS[str(config["checkpoint_format"])],
        any_order=config["desc_act"] is True,
    )


def _group_size(config: JsonObject, where: str) -> int | None:
    _require(config, where, key="bits", among=(_BITS,))
    size = config.get("group_size")
    if not isinstance(size, int) or isinstance(size, bool) or (size <= 0 and size != _WHOLE_COLUMN):
        raise _unreadable("group_size", size, where)
    return None if size == _WHOLE_COLUMN else size


def _require(config: JsonObject, where: str, *, key: str, among: tuple[object, ...]) -> None:
    value = config.get(key)
    if (value.lower() if isinstance(value, str) else value) not in among:
        raise _unreadable(key, value, where)


def _unreadable(key: str, value: object, where: str) -> CheckpointError:
    return CheckpointError(
        f"quantization_config.{key} is {value!r}, which is not known", where=where, next_step=_NEXT
    )
