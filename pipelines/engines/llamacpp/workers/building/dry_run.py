"""Child process: a conversion rehearsed before anything is converted, all of it but the numbers.

The converter maps every tensor and writes a file whose weights are a hole. llama.cpp loads the vocabulary and
reads a few lines with it; then it lays out its computation. What it was not made for makes llama.cpp abort
this very process, which is the answer then.
"""

import ctypes
import importlib
import logging
from pathlib import Path
from typing import Any

import llama_cpp

from quantgate.pipelines.engines.llamacpp.build_messages import ConvertCall, ConvertFacts
from quantgate.pipelines.engines.llamacpp.dry_run import (
    CONVERTING,
    READING_WEIGHTS,
    READING_WORDS,
    unreadable,
)
from quantgate.pipelines.engines.llamacpp.workers.building.converter import run_converter
from quantgate.pipelines.engines.llamacpp.workers.layout import layout_refusal
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, refuse_machine_trouble
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.harness import serve

_LINES = (
    "Hello, world!",
    "a\nb\tc  d",
    "0123456789",
    '{"key": ["värde", null]}',
    "русский 中文 😀",
)


def rehearse(call: ConvertCall, on_progress: OnProgress) -> ConvertFacts:
    """Write a file without numbers to `call.output`'s place in a temporary folder, and open it.

    Raises:
        CheckpointError: where the converter, or llama.cpp, refuses the tokenizer, a tensor or a setting.
        ToolchainError: where something failed that says nothing of the checkpoint.
    """
    # A conversion logs them again; here they would pass for what llama.cpp aborts over.
    logging.disable(logging.WARNING)
    on_progress(Progress(done=0, total=0, what=CONVERTING))
    with temporary_folder() as temporary:
        file = temporary / call.output.name
        fleeting = ConvertCall(converter=call.converter, checkpoint=call.checkpoint, output=file)
        facts = run_converter(fleeting, _leave_numbers_out)
        llama_cpp.llama_backend_init()
        on_progress(Progress(done=0, total=0, what=READING_WORDS))
        _read_with(file, call.checkpoint)
        on_progress(Progress(done=0, total=0, what=READING_WEIGHTS))
        if reason := layout_refusal(file):
            raise unreadable(READING_WEIGHTS, reason, call.checkpoint)
    return facts


def _leave_numbers_out() -> None:
    """Let the converter's writer leave a hole of the right size where it would write the tensors."""
    writer = importlib.import_module("gguf").GGUFWriter

    def leave_out(self: Any, *, progress: bool = False) -> None:
        del progress
        self.write_ti_data_to_file()
        for file, tensors in zip(self.fout, self.tensors, strict=True):
            self.write_padding(file, file.tell())
            sizes = (self.ggml_pad(info.nbytes, self.data_alignment) for info in tensors.values())
            file.truncate(file.tell() + sum(sizes))

    writer.write_tensors_to_file = leave_out


def _read_with(file: Path, checkpoint: Path) -> None:
    log = LlamaLog()
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    parameters.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(file).encode(), parameters)
    if not model:
        refuse_machine_trouble(log)
        raise unreadable(READING_WORDS, log.reason, checkpoint)
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    for line in _LINES:
        text = line.encode()
        ids = (ctypes.c_int32 * (2 * len(text) + 8))()
        llama_cpp.llama_tokenize(vocabulary, text, len(text), ids, len(ids), False, True)
    llama_cpp.llama_model_free(model)


if __name__ == "__main__":
    serve(rehearse, ConvertCall)
