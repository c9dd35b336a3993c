"""Child process of tests: llama.cpp's own dry run, which says what it would write and reads no weight.

It answers in the log alone, a line a tensor (`llama_model_quantize_impl` in src/llama-quant.cpp):
`[  3/ 39] blk.0.attn_q.weight - [ 256, 256, 1, 1], type = f16, size = 0.12 MiB -> 0.04 MiB (q4_K)`, without
the arrow and the last type where the tensor stays as it is.
"""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

import llama_cpp

from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve

_LINE = re.compile(
    r"\[ *\d+/ *\d+\] (?P<name>\S+) +- \[.*\], type = +(?P<old>\S+), size = .*?(?:\((?P<new>\S+)\))?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunCall:
    """Files to be asked about, each with every file type, with and without an importance matrix."""

    files: tuple[Path, ...]
    file_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """The types that one file's tensors would get; those that would stay as they are left out."""

    file: Path
    file_type: str
    has_imatrix: bool
    types: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunFacts:
    """All that was foretold."""

    foretold: tuple[Foretold, ...]


class Fragments:
    """Keeps what llama.cpp logs and prints nothing of it: two hundred thousand lines."""

    def __init__(self) -> None:
        """Start listening; the object has to outlive every call into the library."""
        self.texts: list[str] = []
        self._callback = llama_cpp.llama_log_callback(self._take)
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, _level: int, text: bytes, _user_data: object) -> None:
        self.texts.append(text.decode(errors="replace"))


def dry_run(call: DryRunCall, on_progress: OnProgress) -> DryRunFacts:
    """Ask about every combination."""
    del on_progress
    log = Fragments()
    return DryRunFacts(
        foretold=tuple(
            _foretold(file, file_type, has_imatrix, log)
            for file in call.files
            for file_type in call.file_types
            for has_imatrix in (False, True)
        )
    )


def _foretold(file: Path, file_type: str, has_imatrix: bool, log: Fragments) -> Foretold:
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{file_type}")
    parameters.dry_run = True
    nothing = (llama_cpp.llama_model_imatrix_data * 1)()  # ends at once: that there is one, decides
    if has_imatrix:
        parameters.imatrix = nothing
    log.texts.clear()
    code = llama_cpp.llama_model_quantize(
        str(file).encode(), b"/nowhere/model.gguf", ctypes.byref(parameters)
    )
    said = "".join(log.texts)
    assert code == 0, said
    lines = (_LINE.search(line) for line in said.splitlines())
    types = {line["name"]: line["new"].upper() for line in lines if line and line["new"]}
    return Foretold(file=file, file_type=file_type, has_imatrix=has_imatrix, types=types)


if __name__ == "__main__":
    serve(dry_run, DryRunCall)
