"""Child process: whether llama.cpp has the model of a GGUF file, found out without reading a weight.

It looks for every tensor by name and shape and lays out its computation, without memory for any of it
(`no_alloc`, which llama.cpp's own search for layers that fit uses).
"""

from pathlib import Path

import llama_cpp

from quantgate.pipelines.engines.llamacpp.layout_trial import LayoutCall, LayoutFacts
from quantgate.pipelines.engines.llamacpp.workers.opening import LlamaLog, refuse_machine_trouble
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve

_CONTEXT = 64


def try_layout(call: LayoutCall, on_progress: OnProgress) -> LayoutFacts:
    """Return llama.cpp's reason against a file, "" where it has none.

    Raises:
        ToolchainError: where something failed that says nothing of the file.
    """
    del on_progress
    llama_cpp.llama_backend_init()
    return LayoutFacts(refusal=layout_refusal(call.file) or "")


def layout_refusal(file: Path) -> str | None:
    """Return why llama.cpp makes no model, or no context, of a GGUF file; None where it does.

    Raises:
        ToolchainError: where something failed that says nothing of the file.
    """
    log = LlamaLog()
    parameters = llama_cpp.llama_model_default_params()
    parameters.no_alloc = True
    parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
    parameters.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(file).encode(), parameters)
    context = None
    if model:
        window = llama_cpp.llama_context_default_params()
        window.n_ctx = window.n_batch = window.n_ubatch = _CONTEXT
        context = llama_cpp.llama_init_from_model(model, window)
    if not context:
        refuse_machine_trouble(log)
        return log.reason
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return None


if __name__ == "__main__":
    serve(try_layout, LayoutCall)
