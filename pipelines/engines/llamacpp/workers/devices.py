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
    require_gpus("llama.cpp", len(_gpus()))
    return placed_gpus()


def _built_for(backend: str) -> bool:
    find = llama_cpp._ggml.libggml.ggml_backend_reg_by_name
    find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    return bool(find(backend.encode()))


def held_gpu_bytes() -> int:
    """Return how much memory of the GPUs that this process sees is taken: by it alone, as units hold them."""
    free, total, held = ctypes.c_size_t(), ctypes.c_size_t(), 0
    memory = llama_cpp._ggml.libggml.ggml_backend_dev_memory
    memory.restype, memory.argtypes = None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    for device in _gpus():
        memory(device, ctypes.byref(free), ctypes.byref(total))
        held += total.value - free.value
    return held


def _gpus() -> tuple[int, ...]:
    """Return the addresses of all GPUs that ggml sees."""
    library = llama_cpp._ggml.libggml
    count, device, kind = (
        library.ggml_backend_dev_count,
        library.ggml_backend_dev_get,
        library.ggml_backend_dev_type,
    )
    count.restype, count.argtypes = ctypes.c_size_t, ()
    device.restype, device.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    kind.restype, kind.argtypes = ctypes.c_int, (ctypes.c_void_p,)
    devices = [device(at) for at in range(count())]
    return tuple(each for each in devices if kind(each) in (_GPU, _INTEGRATED_GPU))
