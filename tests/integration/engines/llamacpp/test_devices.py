"""What reads a GPU's memory and lists GPUs, on the CPU that stands in for one."""

import ctypes

import llama_cpp
import pytest
from typing_extensions import override

from quantgate.pipelines.engines.llamacpp.workers.building.ggml import Tensor, tensor_at
from quantgate.pipelines.engines.llamacpp.workers.building.imatrix import Collector, copied
from quantgate.pipelines.engines.llamacpp.workers.building.packing import (
    decode,
    pack,
    packed_context,
)
from quantgate.pipelines.engines.llamacpp.workers.devices import gpus_for_llamacpp, held_gpu_bytes
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_context, open_model
from tests.support.llamacpp.checkpoints import f16, real_checkpoint

pytestmark = pytest.mark.integration

_TOKENS = 16


class Comparing(Collector):
    """Sees whether what ggml copies out of a tensor is what lies there."""

    compared = 0

    @override
    def _collect(self, tensor: Tensor) -> None:
        inputs = tensor_at(tensor.src[1])
        copy = copied(inputs)
        assert bytes(copy) == ctypes.string_at(inputs.data, len(copy))
        self.compared += 1


def test_activations_that_ggml_copies_are_those_that_lie_in_memory() -> None:
    log, comparing = LlamaLog(), Comparing()
    parameters = packed_context(_TOKENS, _TOKENS, 1)
    parameters.cb_eval = comparing.callback
    model = open_model(f16(real_checkpoint()), log)
    context = open_context(model, parameters, log)
    (packed,) = pack(iter([list(range(3, 3 + _TOKENS))]), _TOKENS)
    for _ in decode(context, packed, _TOKENS, log):
        comparing.check()
    assert comparing.compared == 7 * llama_cpp.llama_model_n_layer(model)


def test_a_build_without_cuda_uses_no_gpu_wherever_it_is_placed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    llama_cpp.llama_backend_init()
    monkeypatch.setenv("QUANTGATE_PLACED_GPUS", "1")
    assert gpus_for_llamacpp() == 0
    assert held_gpu_bytes() == 0
