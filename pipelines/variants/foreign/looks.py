"""What stands in a quant that somebody else made, told from its headers and labels alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.foreign import MadeBy
from quantgate.pipelines.domain.recipe import Format, Numerics
from quantgate.pipelines.domain.values import JsonValue

_LONGEST_CLAIM = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLook:
    """A quant as its headers show it.

    `files` says what each is called in a variant's folder, and where it is. The other fields are those of
    `ForeignOptions` and of recipes.
    """

    format: Format
    scheme: str
    numerics: Numerics
    main_type: str
    quantization: str
    bits_per_weight: float
    file_bits_per_weight: float
    weights_bytes: int
    files: Mapping[str, Path]
    claims: tuple[MadeBy, ...]


def claims_of(said: Mapping[str, JsonValue]) -> Iterator[MadeBy]:
    """Yield what files say of their making; long texts are cut, and what cannot be printed is replaced."""
    for subject, value in said.items():
        if not isinstance(value, str | int | float) or value == "":
            continue
        text = "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value)
        )
        cut = text if len(text) <= _LONGEST_CLAIM else f"{text[: _LONGEST_CLAIM - 1]}…"
        yield MadeBy(subject=subject, text=cut)
