"""What the field has published about formats, as an order in which to try recipes (docs/recommend.md).

Every rule names its source. It is a prior: it says what to build first, never that something is good. What
this registry measured goes before it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Device(StrEnum):
    """What serves: a CPU; an Ada card (compute capability 8.9); a Hopper card (9.0)."""

    CPU = "cpu"
    RTX4060 = "rtx4060"
    H200 = "h200"


class Task(StrEnum):
    """What the model is for."""

    CODE = "code"
    CHAT = "chat"
    MATH = "math"
    EXTRACTION = "extraction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The fewest bits of a weight that published evaluations support, and which ones."""

    bits: float
    why: str
    source: str


_GGUF = (
    *("Q8_0", "Q6_K--imatrix", "Q5_K_M--imatrix", "Q4_K_M--imatrix", "IQ4_XS--imatrix"),
    *("Q3_K_M--imatrix", "IQ3_XXS--imatrix", "Q2_K--imatrix", "IQ2_XXS--imatrix", "IQ1_M--imatrix"),
)
_SERVED = ("FP8_DYNAMIC", "W8A8--smoothquant_gptq", "W4A16--gptq", "W4A16--awq")
ORDER: dict[Device, tuple[str, ...]] = {
    Device.CPU: _GGUF,
    Device.RTX4060: (*_SERVED, *_GGUF[1:]),
    Device.H200: (*_SERVED, *_GGUF[1:]),
}
"""Recipes from the least loss to the most, as far as that is published: what fits first is tried first.
NVFP4 and MXFP4 stand for neither card: their arithmetic needs a Blackwell GPU."""

_REASONS = {
    "FP8_DYNAMIC": "8-bit floating point lost nothing measurable on any Llama 3.1 (arXiv 2411.02355)",
    "W8A8--smoothquant_gptq": "tuned 8-bit integers lost 1 to 3 % on Llama 3.1 (arXiv 2411.02355)",
    "W4A16--gptq": "4-bit weights rivalled 8-bit integers on Llama 3.1, and cost least where one request "
    "is answered at a time (arXiv 2411.02355)",
    "W4A16--awq": "as W4A16--gptq; which of the two is better differs by model: try both",
}
_LONG_CONTEXT_TOKENS = 64 * 1024
_SMALL_PARAMETERS = 8_000_000_000
_DEFAULT = Floor(
    bits=4,
    why="below 4 bits a weight reasoning models lost accuracy on mathematics, science and code",
    source="arXiv 2504.04823",
)
_LONG = Floor(
    bits=8,
    why="with 64,000 tokens and more 4-bit weights lost much, 8-bit ones little",
    source="arXiv 2505.20276",
)
_SMALL_AT_MATH = Floor(
    bits=8,
    why="models of 0.5 to 7 billion weights lost much of their mathematics at 4 bits",
    source="arXiv 2505.11574",
)


def floor(task: Task | None, context_tokens: int, parameter_count: int) -> Floor:
    """Return the fewest bits that published evaluations support for such a use.

    For chat and extraction nothing was found that would set another floor than for tasks at large.
    """
    if context_tokens >= _LONG_CONTEXT_TOKENS:
        return _LONG
    if task is Task.MATH and parameter_count < _SMALL_PARAMETERS:
        return _SMALL_AT_MATH
    return _DEFAULT


def reason(recipe: str, bits: float, least: Floor) -> str:
    """Return why a recipe stands where it does."""
    if bits < least.bits:
        return f"{least.why} ({least.source}): judge it before anything else"
    return _REASONS.get(
        recipe,
        f"{bits:g} bits a weight: in the range in which 8-bit and 4-bit weights were found "
        "without loss on reasoning tasks (arXiv 2504.04823)",
    )
