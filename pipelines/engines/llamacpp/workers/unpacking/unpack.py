"""Child process: make a checkpoint folder of a GGUF file, with the tokenizer that its own keys describe.

Weights are written in files of two gigabytes; of the tensors, one at a time is in memory.
"""

import importlib
import sys
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.unpacking.configuration import (
    architecture_of,
    read_configuration,
)
from quantgate.pipelines.engines.llamacpp.unpacking.messages import UnpackCall, UnpackedFacts
from quantgate.pipelines.engines.llamacpp.unpacking.tokenizer import write_tokenizer
from quantgate.pipelines.engines.llamacpp.unpacking.vocabulary import read_vocabulary
from quantgate.pipelines.engines.llamacpp.workers.unpacking.weights import (
    ModelOutline,
    WeightReader,
)
from quantgate.pipelines.formats.arrays import PendingTensor
from quantgate.pipelines.formats.gguf.header import GgufHeader
from quantgate.pipelines.formats.gguf.parts import read_all_headers
from quantgate.pipelines.formats.sharded import write_sharded
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.endings.last_words import words_of
from quantgate.pipelines.process.harness import serve


def unpack(call: UnpackCall, on_progress: OnProgress) -> UnpackedFacts:
    """Write config.json, weights, tokenizer and templates.

    Raises:
        CheckpointError: where something of the file has no equal in a checkpoint folder.
    """
    on_progress(Progress(done=0, total=0, what="reading the GGUF's keys"))
    where = str(call.source)
    header = read_all_headers(call.source, longest_list=sys.maxsize)
    configured = read_configuration(header, where)
    vocabulary = read_vocabulary(header.metadata, where)
    config, outline = _outline(configured.settings | vocabulary.special_ids, where)
    config.save_pretrained(call.output)
    write_tokenizer(vocabulary, call.output, config.max_position_embeddings)
    weights = _weights(call, header, outline)
    write_sharded(
        call.output,
        weights,
        lambda done, total: on_progress(
            Progress(done=done, total=total, what="writing the checkpoint")
        ),
    )
    return UnpackedFacts(
        architecture=config.architectures[0],
        tensors=len(header.tensors),
        notes=tuple(f"nothing is made of the key {key}" for key in configured.unread),
    )


def _outline(settings: JsonObject, where: str) -> tuple[Any, ModelOutline]:
    """Return transformers' configuration, and the shapes of the model that it describes."""
    try:
        kind = str(settings["model_type"])
        others = {key: value for key, value in settings.items() if key != "model_type"}
        config = AutoConfig.for_model(kind, **others)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except Exception as error:  # whatever a configuration makes its class raise
        raise CheckpointError(
            f"transformers makes no model of its keys: {words_of(error)}",
            where=where,
            next_step="fetch the file again; or take the checkpoint that it was made from",
        ) from error
    config.architectures = [type(model).__name__]
    heads = config.num_attention_heads
    return config, ModelOutline(
        shapes={name: tuple(weight.shape) for name, weight in model.state_dict().items()},
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        layers=config.num_hidden_layers,
    )


def _weights(call: UnpackCall, header: GgufHeader, outline: ModelOutline) -> list[PendingTensor]:
    sys.path.insert(0, str(call.package))
    reader = WeightReader(
        model=outline,
        architecture=architecture_of(header, str(call.source)),
        gguf=importlib.import_module("gguf"),
        where=str(call.source),
    )
    return reader.pending(header.tensors, str(header.metadata["general.architecture"]))


if __name__ == "__main__":
    serve(unpack, UnpackCall)
