"""Which workers are forked from one interpreter, and what that imports beforehand.

It decides when something is imported, and nothing that is computed: no key has it (`files/sources.py`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFamily:
    """Workers whose names begin with one of `names`, and the modules that are imported for all of them."""

    names: tuple[str, ...]
    imports: tuple[str, ...]


_ENGINES = "quantgate.pipelines.engines"
_USING_TRANSFORMERS = WorkerFamily(
    names=(
        f"{_ENGINES}.transformers.workers.",
        f"{_ENGINES}.llamacpp.workers.building.convert",
        f"{_ENGINES}.llamacpp.workers.building.dry_run",
        f"{_ENGINES}.llamacpp.workers.unpacking.",
    ),
    imports=(f"{_ENGINES}.transformers.workers.answer",),
)
"""llama.cpp's converter uses transformers to read tokenizers; what unpacks its files saves them by it."""
_USING_LLMCOMPRESSOR = WorkerFamily(
    names=(f"{_ENGINES}.llmcompressor.workers.",),
    imports=(f"{_ENGINES}.llmcompressor.workers.compress",),
)
_LLAMACPP = f"{_ENGINES}.llamacpp.workers"
USING_LLAMACPP = WorkerFamily(
    names=(f"{_LLAMACPP}.",),
    imports=tuple(
        f"{_LLAMACPP}.{name}"
        for name in ("answer", "divergence", "building.imatrix", "building.quantize")
    ),
)
"""All of llama.cpp's that use no transformers: those are of the first family."""
FAMILIES = (_USING_TRANSFORMERS, _USING_LLMCOMPRESSOR, USING_LLAMACPP)
