"""What a checkpoint folder says about its tokenizer, read with the standard library alone.

Format: the files `save_pretrained` of Hugging Face transformers writes (`tokenizer.json`,
`tokenizer_config.json`, `chat_template.jinja`, `config.json`, `generation_config.json`).
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.formats.tokenizers.chat_templates import (
    CHAT_TEMPLATE_FILE,
    PROCESSOR_TEMPLATE_FILE,
    TEMPLATES_FOLDER,
    read_chat_templates,
)
from quantgate.pipelines.formats.tokenizers.special_tokens import read_token_names

__all__ = [
    "CHAT_TEMPLATE_FILE", "TOKENIZER_FILES", "SpecialTokenIds", "chat_template_text", "copy_tokenizer",
    "read_json_object", "special_token_ids", "special_tokens",
]  # fmt: skip

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", CHAT_TEMPLATE_FILE, PROCESSOR_TEMPLATE_FILE,
    "generation_config.json",
)  # fmt: skip
"""What a folder says of its tokenizer and of answering; templates by name stand in a folder of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokenIds:
    """Ids that begin and end a sequence, as the checkpoint orders them; empty where it names none."""

    beginning: tuple[int, ...]
    end: tuple[int, ...]


def copy_tokenizer(base: Path, output: Path) -> None:
    """Copy tokenizer, templates and generation settings byte for byte; what the base lacks is removed."""
    for name in TOKENIZER_FILES:
        (output / name).unlink(missing_ok=True)
        if (base / name).is_file():
            shutil.copyfile(base / name, output / name)
    shutil.rmtree(output / TEMPLATES_FOLDER, ignore_errors=True)
    for template in sorted((base / TEMPLATES_FOLDER).glob("*.jinja")):
        (output / TEMPLATES_FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(template, output / TEMPLATES_FOLDER / template.name)


def chat_template_text(folder: Path) -> str:
    """Return the chat template, "" where the checkpoint has none; of several the one called `default`.

    Raises:
        CheckpointError: where a file is not what its name says, or no named template is the default.
    """
    return read_chat_templates(folder).default


def special_tokens(folder: Path) -> dict[str, str]:
    """Return the texts of the special tokens by role: `bos_token`, `sep_token`, a model's own `image_token`.

    Raises:
        CheckpointError: where a file that names them is not JSON.
    """
    return read_token_names(folder).texts


def special_token_ids(folder: Path) -> SpecialTokenIds:
    """Return beginning- and end-of-sequence ids.

    generation_config.json wins over config.json, as in transformers' `generate`; where neither names an
    id, the special token's text is looked up in tokenizer.json.

    Raises:
        CheckpointError: where one of these files is not JSON.
    """
    return SpecialTokenIds(
        beginning=_ids(folder, "bos_token_id", "bos_token"),
        end=_ids(folder, "eos_token_id", "eos_token"),
    )


def _ids(folder: Path, key: str, role: str) -> tuple[int, ...]:
    for name in ("generation_config.json", "config.json"):
        value = read_json_object(folder / name).get(key)
        listed = value if isinstance(value, list) else [value]
        ids = tuple(item for item in listed if isinstance(item, int))
        if ids:
            return ids
    text = special_tokens(folder).get(role)
    return () if text is None else _looked_up(folder / "tokenizer.json", text)


def _looked_up(tokenizer_json: Path, text: str) -> tuple[int, ...]:
    added = read_json_object(tokenizer_json).get("added_tokens")
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and token.get("content") == text:
            identifier = token.get("id")
            return (identifier,) if isinstance(identifier, int) else ()
    return ()
