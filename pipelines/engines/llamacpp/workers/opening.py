"""llama.cpp as every worker of ours opens it: its log caught, a model loaded or refused in its own words.

Only worker modules import this. Its reasons for refusing anything appear in the log callback alone.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Literal

import llama_cpp

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import KvCacheType
from quantgate.pipelines.engines.llamacpp.workers.devices import gpus_for_llamacpp
from quantgate.pipelines.formats.gguf.types import GGML_TYPES
from quantgate.pipelines.process.endings.shortage import machine_trouble

# ggml_log_level in ggml/include/ggml.h
_DEBUG, _WARN, _ERROR, _CONTINUED = 1, 3, 4, 5
# Before the reason, on the line that has it.
_FAILURES = ("error loading model: ", "failed to quantize: ")
_HIDDEN_GPUS = "ggml_cuda_init: failed to initialize"
"""What a build with CUDA logs as an error where GPUs are hidden from it, or there is none."""
ALL_LAYERS = -1

# An abort would attach a debugger to print a backtrace, for many seconds.
os.environ.setdefault("GGML_NO_BACKTRACE", "1")


class LlamaLog:
    """Takes over llama.cpp's log: passes it on without debugging, keeps warnings and errors."""

    def __init__(self) -> None:
        """Start listening; the object has to outlive every call into the library."""
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self._pending = ""
        self._pending_level = 0
        self._level = 0
        self._callback = llama_cpp.llama_log_callback(self._take)
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    @property
    def reason(self) -> str:
        """Why the last thing failed, in llama.cpp's own words."""
        for line in self.errors:
            for failure in _FAILURES:
                if failure in line:
                    return line.partition(failure)[2]
        return self.errors[0] if self.errors else "llama.cpp gave no reason"

    def _take(self, level: int, text: bytes, _user_data: object) -> None:
        """Put fragments together into lines; a line is as grave as its gravest fragment."""
        self._level = self._level if level == _CONTINUED else level
        *complete, rest = text.decode(errors="replace").split("\n")
        for part in complete:
            self._pending_level = max(self._pending_level, self._level)
            self._finish(self._pending + part)
        self._pending += rest
        if rest:
            self._pending_level = max(self._pending_level, self._level)

    def _finish(self, line: str) -> None:
        level, self._pending, self._pending_level = self._pending_level, "", 0
        if level == _DEBUG or not line.strip() or line.startswith(_HIDDEN_GPUS):
            return
        print(line, file=sys.stderr)
        self.lines.append(line.strip())
        if level == _WARN:
            self.warnings.append(line.strip())
        elif level == _ERROR:
            self.errors.append(line.strip())


def open_model(
    path: Path, log: LlamaLog, *, layout: Literal["fastest", "plain"] = "fastest"
) -> ctypes.c_void_p:
    """Load a GGUF, every tensor validated, with all its layers on the GPUs that this process was placed on.

    On several each gets consecutive layers, by its memory. For the CPU, llama.cpp may repack weights to suit
    matrix instructions (`fastest`); in the `plain` layout they lie in memory as they do in the file.

    Raises:
        CheckpointError: with llama.cpp's reason, where it does not load.
        ToolchainError: where it gets too little memory for that, or may not read the file, or cannot use
            those GPUs: none of it says anything of the file.
    """
    llama_cpp.llama_backend_init()
    gpus = gpus_for_llamacpp()
    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = ALL_LAYERS if gpus else 0
    if gpus == 1:
        parameters.split_mode = llama_cpp.LLAMA_SPLIT_MODE_NONE
    parameters.check_tensors = True
    parameters.use_extra_bufts = layout == "fastest"
    model: ctypes.c_void_p | None = llama_cpp.llama_model_load_from_file(
        str(path).encode(), parameters
    )
    if not model:
        refuse_machine_trouble(log)
        raise CheckpointError(f"llama.cpp does not load it: {log.reason}", where=str(path))
    return model


def hold_cache_as(parameters: llama_cpp.llama_context_params, kv_cache: KvCacheType) -> None:
    """Say in a context's parameters how it holds keys and values."""
    parameters.type_k = parameters.type_v = GGML_TYPES[kv_cache.upper()].number
    if kv_cache != "f16":  # quantized values are read by flash attention alone
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED


def open_context(
    model: ctypes.c_void_p, parameters: llama_cpp.llama_context_params, log: LlamaLog
) -> ctypes.c_void_p:
    """Make a context for a loaded model.

    Raises:
        CheckpointError: with llama.cpp's reason, where there is none.
        ToolchainError: where it gets too little memory for one.
    """
    context: ctypes.c_void_p | None = llama_cpp.llama_init_from_model(model, parameters)
    if not context:
        refuse_machine_trouble(log)
        raise CheckpointError(f"llama.cpp makes no context for it: {log.reason}")
    return context


def refuse_machine_trouble(log: LlamaLog) -> None:
    """Say so where what just failed did so for want of memory, or of something else that a machine lacks.

    Raises:
        ToolchainError: with llama.cpp's words.
    """
    for line in log.errors:
        if trouble := machine_trouble(line):
            raise trouble
