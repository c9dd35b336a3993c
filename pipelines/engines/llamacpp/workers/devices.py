"""The GPUs that llama.cpp computes on in a worker, as ggml lists them.

Source: ggml/include/ggml-backend.h of the llama.cpp inside the pinned llama-cpp-python.
"""

import ctypes

import llama_cpp._ggml

from quantgate.pipelines.process.devices.placed import placed_gpus, require_gpus

_GPU, _INTEGRATED_GPU = 1, 2  # ggml_backend_dev_type


def gpus_for_llamacpp() -> int:
    """Return how many GPUs llama.cpp is to compute on, which are those that it sees; 0 is the CPU.

    `llama_backend_init` has to be called before: it loads what computes on them.

    Raises:
        ToolchainError: where it was built with CUDA, and sees more or fewer than it was placed on.
    """
    if not _built_for("CUDA"):
        return 0
    require_gpus("llama.cpp", _gpus())
    return placed_gpus()


def _built_for(backend: str) -> bool:
    find = llama_cpp._ggml.libggml.ggml_backend_reg_by_name
    find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    return bool(find(backend.encode()))


def _gpus() -> int:
    library = llama_cpp._ggml.libggml
    count, device, kind = (
        library.ggml_backend_dev_count,
        library.ggml_backend_dev_get,
        library.ggml_backend_dev_type,
    )
    count.restype, count.argtypes = ctypes.c_size_t, ()
    device.restype, device.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    kind.restype, kind.argtypes = ctypes.c_int, (ctypes.c_void_p,)
    return sum(kind(device(at)) in (_GPU, _INTEGRATED_GPU) for at in range(count()))
