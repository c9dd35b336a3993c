"""What a server's output says about its end: which line is the reason, and whether it is the file's fault.

A server may be several processes. vLLM's front end writes "Engine core initialization failed. See root cause
above" and dozens of lines of shutting down after the reason, and ends with 0 or 1 whatever it was. So the
whole output since the start is read, and the first exception in it is the reason. Where requests were
answered, the first exception after the last one that went well.

Sources of the wordings: vLLM 0.32 and llama.cpp (llama-server), run over damaged files and without memory;
src/llama-model-loader.cpp of llama.cpp; safetensors/src/tensor.rs of safetensors.
"""

import itertools
import re
from pathlib import Path

_MOST_BYTES = 16 << 20
_LAST_LINES = 3
_LONGEST_REASON = 500
_NOTHING = "it wrote nothing"
_NO_CAUSE = " (it wrote of no cause: often one of its processes was killed, for want of memory)"

_PREFIX = re.compile(
    r"^(?:\([A-Za-z_]+(?: pid=\d+)?\)\s*)*"
    r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\b[^\[]*\[[^\]]*\] ?)?"
    r"(?:\d+\.\d+(?:\.\d+)*\s+)?(?:(?P<letter>[DIWE]) )?"
)
"""vLLM: `(EngineCore pid=7) ERROR 11-29 14:29:41 [core.py:10] …`; llama.cpp: `0.01.234 E …`."""

_EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt)\b(?::|$)")
_ANNOUNCED = re.compile(r"(?<=\.) \w+:$")
"""vLLM: `Failed to find a kernel that can implement the NVFP4 linear layer. Reasons: `, and maybe none."""
_COMPLAINT = re.compile(
    r"\berror\b|\bfatal\b|\bfailed\b|\bfailure\b|\babort|GGML_ASSERT|terminate called|what\(\):|"
    r"cannot be started|out of memory|segmentation fault|core dumped",
    re.IGNORECASE,
)
_WELL = re.compile(r'"(?:GET|POST) [^"]*" 200\b|\bdone request:.* 200\b')
_FURTHER_ON = re.compile(
    r"See (?:root cause|stack trace) \(?above|EngineDeadError|Failed core proc"
)
"""Exceptions that only point to another one; they are the reason where there is no other."""

_NOT_THE_FILE = re.compile(
    "|".join((
        # memory, on the machine or the accelerator
        r"out of memory", r"OutOfMemory", r"\bOOM\b", r"MemoryError", r"bad_alloc", r"allocate memory",
        r"(?:unable|failed) to (?:allocate|reserve)", r"not enough memory", r"insufficient memory",
        r"DefaultCPUAllocator", r"KV cache (?:is needed|memory)", r"cache blocks",
        r"gpu_memory_utilization", r"Free memory on device", r"less than requested memory",
        r"Available memory on node", r"mmap failed", r"mlock", r"No space left", r"Bus error", r"SIGKILL",
        r"\bKilled\b", r"Failed core proc\(s\): \{[^}]*-\d",
        # ports, files, rights, limits
        r"already in use", r"couldn't bind", r"Permission denied", r"No such file", r"failed to open",
        r"Too many open files", r"Resource temporarily unavailable",
        # the installation and the command
        r"ModuleNotFoundError", r"ImportError", r"cannot open shared object", r"undefined symbol",
        r"unrecognized argument", r"(?:invalid|unknown) argument", r"arguments are required",
        r"max_model_len",
        # devices and time
        r"CUDA error", r"no CUDA", r"CUDA driver", r"NCCL", r"cuDNN", r"TimeoutError", r"timed out",
    )),
    re.IGNORECASE,
)  # fmt: skip
"""What ends a server whatever it loads: never held against a file, whatever else was written."""

_THE_FILE = re.compile(
    "|".join((
        # llama.cpp
        r"error loading model", r"invalid magic", r"invalid GGUF", r"gguf_init_from\w*:",
        r"unknown (?:tensor|model|ggml)", r"(?:missing|duplicated?) tensor", r"wrong number of tensors",
        r"tensor '[^']*' (?:not found|has (?:wrong|invalid)|data is not within)", r"wrong shape",
        r"corrupted or incomplete", r"unsupported (?:model|tensor|ggml)",
        # safetensors
        r"SafetensorError", r"HeaderTooLarge", r"HeaderTooSmall", r"InvalidHeader",
        r"MetadataIncompleteBuffer", r"incomplete metadata", r"deserializing header",
        # vLLM, SGLang
        r"Failed to find a kernel", r"no module or parameter named", r"not initialized from checkpoint",
        r"Unknown quantization method", r"quantization method .* is not supported",
        r"No quantization scheme", r"size mismatch", r"shape mismatch",
        r"(?:unsupported|unknown|no) (?:\w+ )?(?:compressed-tensors )?(?:scheme|quantization)",
        r"is not aligned with the quantized weight shape", r"Cannot find any model weights",
        r"Attempted to load weight \(.*\) into parameter", r"is not divisible by",
        r"KeyError: '[\w.]*(?:layers?|weight|proj|embed|norm|head)[\w.]*'",
    )),
    re.IGNORECASE,
)  # fmt: skip
"""Lines that explain an end as the file's own fault."""


_KERNEL = re.compile(
    r"(?:Using|Selected) (?P<kernel>\w*(?:Kernel|Marlin|Machete|Cutlass|Emulation)\w*)"
    r"(?: kernel)? for (?P<layer>[A-Z]\w+)"
)
"""vLLM: `Using CPUWNA16LinearKernel for CompressedTensorsWNA16`."""


def log_since(log: Path, start_bytes: int) -> str:
    """Return what a log holds from a place on; of more than 16 MiB the first and the last half of that."""
    with log.open("rb") as file:
        size = log.stat().st_size
        file.seek(start_bytes)
        if size - start_bytes <= _MOST_BYTES:
            return file.read().decode(errors="replace")
        first = file.read(_MOST_BYTES // 2)
        file.seek(size - _MOST_BYTES // 2)
        return (first + b"\n" + file.read()).decode(errors="replace")


def reason_in(output: str) -> str:
    """Return the line that says why a server ended: the first exception or complaint, else its last words."""
    lines = [_stripped(line) for line in output.splitlines()]
    after = max((at for at, line in enumerate(lines) if _WELL.search(line)), default=-1) + 1
    for part in (lines[after:], lines):
        exceptions = [line for line in part if _EXCEPTION.match(line)]
        complaints = [
            line
            for line in part
            if _COMPLAINT.search(line) and not _WELL.search(line) and not _FURTHER_ON.search(line)
        ]
        roots = [line for line in exceptions if not _FURTHER_ON.search(line)]
        if chosen := roots or complaints:
            return _continued(part, chosen[0])[:_LONGEST_REASON]
        if exceptions:
            return f"{exceptions[0][:_LONGEST_REASON]}{_NO_CAUSE}"
    said = [line for line in lines if line]
    return " | ".join(said[-_LAST_LINES:])[-_LONGEST_REASON:] or _NOTHING


def _continued(lines: list[str], first: str) -> str:
    """Return a line with those that it announces by a colon; without any, what it announces is left out."""
    if not first.endswith(":"):
        return first
    following = lines[lines.index(first) + 1 :]
    listed = list(itertools.takewhile(bool, following))
    return f"{first} {'; '.join(listed)}" if listed else _ANNOUNCED.sub("", first)


def is_over_the_file(output: str) -> bool:
    """Whether a line explains an end as the file's fault, and none as anything else's."""
    errors = [_stripped(line) for line in output.splitlines()]
    if any(_NOT_THE_FILE.search(line) for line in errors):
        return False
    return any(_THE_FILE.search(line) for line in errors)


def kernels_in(output: str) -> tuple[str, ...]:
    """Return what an output says of the kernels that multiply weights, e.g. `AKernel for ALinearMethod`."""
    lines = (_KERNEL.search(line) for line in output.splitlines())
    return tuple(dict.fromkeys(f"{line['kernel']} for {line['layer']}" for line in lines if line))


def _stripped(line: str) -> str:
    """The line without what a logger puts before it; empty for a traceback's inside and what is no error."""
    prefix = _PREFIX.match(line)
    said = line[prefix.end() :] if prefix else line
    harmless = prefix and (
        prefix["level"] in ("DEBUG", "INFO", "WARNING") or prefix["letter"] in ("D", "I", "W")
    )
    return "" if harmless or said.startswith("  ") else said.strip()
