"""What is asked of, and replied by, the worker that looks for personal data."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectCall:
    """Look through a JSON-lines file of sequences; write one line for each to `findings`.

    A line is a JSON list of `[part, start, end, entity, score]`: the part's index in
    `calibration.redaction.texts.parts_of`, characters in its text. Lines that `findings` holds already are
    kept, so that an interrupted call goes on. `recognizers` are presidio's class names by entity, `names`
    the entities that `ner_model` looks for, `phone_regions` ISO 3166 codes in upper case.
    """

    sequences: Path
    findings: Path
    recognizers: dict[str, str]
    names: tuple[str, ...]
    phone_regions: tuple[str, ...]
    phone_words: tuple[str, ...]
    threshold: float
    ner_model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """How many lines the findings hold in all, and how many of them are new."""

    sequences: int
    looked_through: int
