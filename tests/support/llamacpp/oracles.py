"""llama.cpp's own programs, which tests and benchmarks compare with; `make setup-oracles` compiles them."""

import sys
from pathlib import Path

_PROGRAMS = Path(sys.prefix) / "oracles" / "bin"


def oracle(name: str) -> Path:
    """Return the path of a program, e.g. `llama-quantize`.

    Raises:
        FileNotFoundError: with the command that compiles it.
    """
    program = _PROGRAMS / name
    if not program.is_file():
        raise FileNotFoundError(f"{program} is not there: run `make setup-oracles`")
    return program
