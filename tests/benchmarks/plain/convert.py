"""`convert_hf_to_gguf.py` as it comes, told the one thing it cannot know: how our tokenizer cuts text.

Arguments: the folder of the converter, then those of the converter itself.
"""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Run the converter. It names tokenizers by a table of hashes, which has no custom vocabulary."""
    folder = Path(sys.argv.pop(1))
    sys.path[:0] = [str(folder), str(folder / "gguf-py")]
    script = importlib.import_module("convert_hf_to_gguf")
    base = importlib.import_module("conversion.base")
    base.TextModel.get_vocab_base_pre = _known
    script.main()


def _known(_model: object, _tokenizer: object) -> str:
    return "llama-bpe"


if __name__ == "__main__":
    main()
