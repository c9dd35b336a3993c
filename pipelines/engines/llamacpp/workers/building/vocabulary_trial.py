"""Child process: whether llama.cpp can have a checkpoint's tokenizer, tried before anything is converted.

The converter writes the vocabulary alone, llama.cpp loads it and reads a few lines. A vocabulary of a kind
that it was not made for makes llama.cpp abort this very process, which is the answer then.
"""

import ctypes
from pathlib import Path

import llama_cpp

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.engines.llamacpp.build_messages import ConvertCall, ConvertFacts
from quantgate.pipelines.engines.llamacpp.workers.building.converter import run_converter
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog
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


def attempt(call: ConvertCall, on_progress: OnProgress) -> ConvertFacts:
    """Write the vocabulary to `call.output`'s place in a temporary folder, load it and read with it.

    Raises:
        CheckpointError: where the converter, or llama.cpp, refuses the tokenizer.
    """
    on_progress(Progress(done=0, total=0, what="trying the tokenizer in llama.cpp"))
    with temporary_folder() as temporary:
        file = temporary / call.output.name
        fleeting = ConvertCall(converter=call.converter, checkpoint=call.checkpoint, output=file)
        facts = run_converter(fleeting, "--vocab-only")
        _read_with(file, call.checkpoint)
    return facts


def _read_with(file: Path, checkpoint: Path) -> None:
    log = LlamaLog()
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    parameters.n_gpu_layers = 0
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(str(file).encode(), parameters)
    if not model:
        raise CheckpointError(
            f"llama.cpp cannot have this tokenizer: {log.reason}",
            where=str(checkpoint / "tokenizer.json"),
        )
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    for line in _LINES:
        text = line.encode()
        ids = (ctypes.c_int32 * (2 * len(text) + 8))()
        llama_cpp.llama_tokenize(vocabulary, text, len(text), ids, len(ids), False, True)
    llama_cpp.llama_model_free(model)


if __name__ == "__main__":
    serve(attempt, ConvertCall)
