"""Child process of the archived environment: what autoawq and auto-gptq themselves read in a folder."""

import torch
from auto_gptq.nn_modules.qlinear.qlinear_cuda import QuantLinear
from awq.utils.packing_utils import dequantize_gemm
from safetensors.torch import load_file, save_file

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve
from tests.support.archived.readers_call import ReadCall, Weights

_BITS = 4


def read(call: ReadCall, _: OnProgress) -> Weights:
    """Expand every packed layer with the package's own code, in float32 (their halves would round)."""
    stored = load_file(call.folder / "model.safetensors")
    names = [name.removesuffix(".qweight") for name in stored if name.endswith(".qweight")]
    expand = _awq if call.format is Format.AWQ else _gptq
    weights = {
        f"{name}.weight": expand(
            {
                part: stored[f"{name}.{part}"]
                for part in ("qweight", "qzeros", "scales", "g_idx")
                if f"{name}.{part}" in stored
            },
            call.group_size,
        ).T.contiguous()
        for name in names
    }
    save_file(weights, call.output)
    return Weights(count=len(weights))


def _awq(parts: dict[str, torch.Tensor], group_size: int) -> torch.Tensor:
    scales = parts["scales"].float()
    read: torch.Tensor = dequantize_gemm(
        parts["qweight"], parts["qzeros"], scales, _BITS, group_size
    )
    return read


def _gptq(parts: dict[str, torch.Tensor], group_size: int) -> torch.Tensor:
    """Multiply the identity with its layer: that is its weight, inputs x outputs."""
    height, outputs = parts["qweight"].shape
    inputs = height * 32 // _BITS
    layer = QuantLinear(_BITS, group_size, inputs, outputs, bias=False)
    layer.load_state_dict(parts)
    layer.scales = layer.scales.float()
    read: torch.Tensor = layer(torch.eye(inputs))
    return read


if __name__ == "__main__":
    serve(read, ReadCall)
