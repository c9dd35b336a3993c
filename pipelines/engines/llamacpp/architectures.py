"""Language models that llama.cpp's converter has a class for, read from its own table without running it.

Source: `TEXT_MODEL_MAP` in conversion/__init__.py, which `get_model_class` asks; projectors of what sees or
hears stand in a table of their own. A text model need not answer: classes of encoders, of drafts for other
models and of speech are in the same table and are told by name and module here.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from quantgate.pipelines.domain.architectures import LLAMA_CPP, ToolArchitectures
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.formats.configuration.literals import literal_table

TABLE_FILE = "conversion/__init__.py"
_TABLE = "TEXT_MODEL_MAP"
_ANSWERS = re.compile(
    r"(?!Eagle3).+(ForCausalLM|ForCausalLMV|ForConditionalGeneration|LMHeadModel)|ChatGLMModel"
)
_NO_DECODERS = frozenset({"bert", "t5", "wavtokenizer", "pockettts", "qwen3tts", "dream", "llada"})


def converter_architectures(converter: Path, version: str) -> ToolArchitectures:
    """Return what the unpacked converter of a version has.

    Raises:
        ToolchainError: where its table is not where it used to be.
    """
    file = converter / TABLE_FILE
    try:
        modules = _modules(file, file.stat().st_mtime_ns)
    except (OSError, SyntaxError, LookupError) as error:
        raise ToolchainError(
            f"llama.cpp's converter does not list its models where it used to ({error})",
            where=str(file),
            next_step="unpack the pinned one: `make setup`",
        ) from error
    names = (name for name, module in modules.items() if module not in _NO_DECODERS)
    return ToolArchitectures(
        tool=LLAMA_CPP,
        label=f"llama.cpp's converter ({version})",
        names=frozenset(name for name in names if _ANSWERS.fullmatch(name)),
    )


@lru_cache(maxsize=4)
def _modules(file: Path, _written_ns: int) -> Mapping[str, str]:
    """Return the module of each architecture, read anew once the file was written."""
    return literal_table(file, _TABLE)
