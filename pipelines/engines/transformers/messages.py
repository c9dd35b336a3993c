"""What the transformers runtime and its workers say to each other."""

from dataclasses import dataclass

from quantgate.pipelines.engines.divergence.messages import DivergenceCall
from quantgate.pipelines.engines.runtime import AnswerRequest, ProbeRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerJob:
    """Prompts to answer on a device the parent has named in the run's identity (`cpu` or an accelerator)."""

    request: AnswerRequest
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeJob:
    """A folder to look at on a device."""

    request: ProbeRequest
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTally:
    """How many prompts were answered by this call and how many an earlier one had left."""

    answered: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceJob:
    """Folders to hold against a base on a device."""

    call: DivergenceCall
    device: str
