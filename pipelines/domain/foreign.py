"""Variants that somebody else made: which bytes they are, and what these say of their own making."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from quantgate.pipelines.domain.values import Digest, digest_of

ServedTemplate = Literal["own", "base"]
"""Whose chat template a quant of others is served with: its own, or the base's whatever its own is."""

UNKNOWN_CALIBRATION = "unknown"
"""What stands for a corpus where somebody else quantized: nobody here saw which text was used, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBy:
    """One thing that a file says of its own making, which nobody here can check: a claim."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFile:
    """One file as it was found: `path` on this machine, `name` what it is called in the variant's folder."""

    path: Path
    name: str
    sha256: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignOptions:
    """For what somebody else made: nothing is built, its files are taken over byte for byte.

    `source` is where they were found: a path, or `hub:org/name@<40 hex revision>:<file>`. `main_type` is the
    type that stands for its quantized layers (`Q4_K`, `int4`): of several a narrow one that many have.
    `quantization` is a folder's `quantization_config` as JSON text, "" of a GGUF. Bits are those of the
    quantized weights, and of all.
    """

    backend: Literal["foreign"] = "foreign"
    source: str
    files: tuple[ForeignFile, ...]
    main_type: str
    quantization: str
    bits_per_weight: float
    file_bits_per_weight: float
    weights_bytes: int
    claims: tuple[MadeBy, ...]
    template: ServedTemplate = "own"

    @property
    def digest(self) -> Digest:
        """Identity of the bytes: the sha256 of a single file, else one over all names and digests."""
        if len(self.files) == 1:
            return self.files[0].sha256
        return digest_of([[file.name, file.sha256] for file in self.files])

    @property
    def placeless(self) -> "ForeignOptions":
        """Itself without where it was found: equal bytes are one variant, wherever they lie."""
        files = tuple(replace(file, path=Path(file.name)) for file in self.files)
        return replace(self, source="", files=files)
