"""Child process: measure what each type does to each group of tensors while all others stay F16."""

import ctypes
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import llama_cpp
import numpy

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.audit import Divergence
from quantgate.pipelines.engines.divergence.base_logits import (
    BaseLogits,
    batch_tokens,
    temporary_file,
)
from quantgate.pipelines.engines.divergence.sums import DivergenceSums
from quantgate.pipelines.engines.llamacpp.build_messages import (
    Sensitivities,
    Sensitivity,
    SensitivityCall,
    TensorGroup,
)
from quantgate.pipelines.engines.llamacpp.types.table import TENSOR_TYPES
from quantgate.pipelines.engines.llamacpp.workers.building.packing import (
    Packed,
    decode,
    pack,
    packed_context,
    read_sequences,
)
from quantgate.pipelines.engines.llamacpp.workers.building.swapping import (
    SwappableWeights,
    swappable_weights,
)
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, open_context, open_model
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

Types = Mapping[str, str]
"""Group to type."""


def measure(call: SensitivityCall, on_progress: OnProgress) -> Sensitivities:
    """Measure every type of every group.

    Raises:
        InputError: where there are no tokens.
        CheckpointError, ToolchainError, WorkerError: from llama.cpp.
    """
    log = LlamaLog()
    model = open_model(call.base, log, layout="plain")  # whose weights are swapped in place
    names = frozenset(name for group in call.groups for name in group.tensors)
    files = {candidate.type: candidate.path for candidate in call.candidates}
    with swappable_weights(model, names, files, log) as weights, temporary_file() as file:
        swapped = _SwappedModel(model, weights, call, log, file)
        return Sensitivities(groups=call.groups, measured=tuple(_alone(swapped, call, on_progress)))


class _SwappedModel:
    """A loaded model whose weights can be swapped, and the base's logits."""

    def __init__(
        self,
        model: ctypes.c_void_p,
        weights: SwappableWeights,
        call: SensitivityCall,
        log: LlamaLog,
        file: BinaryIO,
    ) -> None:
        vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self._vocabulary = int(vocabulary)
        self._batch_tokens = batch_tokens(self._vocabulary)
        self._weights, self._log = weights, log
        self._tensors = {group.name: group.tensors for group in call.groups}
        self._packed = self._read(call)
        parameters = packed_context(
            call.calibration.max_length_tokens, self._batch_tokens, call.threads
        )
        self._context = open_context(model, parameters, log)
        self._base = BaseLogits(self._vocabulary, file)
        self._pass(self._base)

    def divergence(self, types: Types) -> Divergence:
        """Return the divergence when these groups have these types and all others are F16."""
        self._weights.use(
            {name: kind for group, kind in types.items() for name in self._tensors[group]}
        )
        sums = DivergenceSums(self._base)
        self._pass(sums)
        self._weights.restore()
        return sums.result()

    def _read(self, call: SensitivityCall) -> list[Packed]:
        """Every position but a sequence's last: what would follow its end is nobody's business."""
        corpus, left = call.calibration, call.max_tokens
        sequences: list[list[int]] = []
        for ids in read_sequences(corpus.file, self._vocabulary, longest=corpus.max_length_tokens):
            if left > 0 and len(ids) > 1:
                sequences.append(ids[:-1][:left])
                left -= len(sequences[-1])
        if not sequences:
            raise InputError(
                "holds no sequence of two tokens or more",
                where=str(corpus.file),
                next_step="draw a corpus with longer rows (docs/corpora.md)",
            )
        return list(pack(iter(sequences), self._batch_tokens))

    def _pass(self, sink: BaseLogits | DivergenceSums) -> None:
        for packed in self._packed:
            for count in decode(self._context, packed, self._batch_tokens, self._log):
                pointer = llama_cpp.llama_get_logits(self._context)
                sink.add(numpy.ctypeslib.as_array(pointer, shape=(count, self._vocabulary)))


def _alone(
    swapped: _SwappedModel, call: SensitivityCall, on_progress: OnProgress
) -> Iterator[Sensitivity]:
    """Lower each group alone, to each of its types, cheapest first."""
    lowered = [(group, kind) for group in call.groups for kind in _by_cost(group)]
    for done, (group, kind) in enumerate(lowered, start=1):
        yield Sensitivity(
            group=group.name,
            type=kind,
            bits=_bits(group, kind),
            divergence=swapped.divergence({group.name: kind}),
        )
        on_progress(Progress(done=done, total=len(lowered), what="sensitivity of groups"))


def _by_cost(group: TensorGroup) -> list[str]:
    return sorted(group.types, key=lambda kind: (TENSOR_TYPES[kind].bits_per_weight, kind))


def _bits(group: TensorGroup, kind: str) -> int:
    """Whole bits: blocks divide rows, or the type would not be among the group's."""
    return round(group.parameter_count * TENSOR_TYPES[kind].bits_per_weight)


if __name__ == "__main__":
    serve(measure, SensitivityCall)
