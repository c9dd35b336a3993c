"""What a checkpoint folder says about its tokenizer, read with the standard library alone.

Format: the files `save_pretrained` of Hugging Face transformers writes (`tokenizer.json`,
`tokenizer_config.json`, `chat_template.jinja`, `config.json`, `generation_config.json`).
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipelines.domain.errors import CheckpointError, InputError
from pipelines.domain.values import JsonObject, JsonValue
from pipelines.files.json_text import JsonTextError, parse_structure
from pipelines.files.reading import read_bytes

CHAT_TEMPLATE_FILE = "chat_template.jinja"
_FILES = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", CHAT_TEMPLATE_FILE, "generation_config.json",
)  # fmt: skip
_LARGEST_FILE_BYTES = 512 << 20
"""Vocabularies have tens of megabytes."""

_ROLES = ("bos_token", "eos_token", "pad_token", "unk_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokenIds:
    """Ids that begin and end a sequence, as the checkpoint orders them; empty where it names none."""

    beginning: tuple[int, ...]
    end: tuple[int, ...]


def copy_tokenizer(base: Path, output: Path) -> None:
    """Copy tokenizer, template and generation settings byte for byte; what the base lacks is removed."""
    for name in _FILES:
        (output / name).unlink(missing_ok=True)
        if (base / name).is_file():
            shutil.copyfile(base / name, output / name)


def chat_template_text(folder: Path) -> str:
    """Return the chat template, "" where the checkpoint has none.

    `chat_template.jinja` wins over `tokenizer_config.json`; of several named templates the one called
    `default` is taken.

    Raises:
        CheckpointError: where a file is not what its name says, or no named template is the default.
    """
    file = folder / CHAT_TEMPLATE_FILE
    if file.is_file():
        return _text(file)
    template = read_json_object(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
        template = named.get("default")
        if named and template is None:
            raise CheckpointError(
                f"has {len(named)} chat templates and none is called 'default'",
                where=str(folder / "tokenizer_config.json"),
                next_step="write the one to be used into chat_template.jinja",
            )
    return template if isinstance(template, str) else ""


def special_tokens(folder: Path) -> dict[str, str]:
    """Return the texts of the special tokens by role (`bos_token`, `eos_token`, `pad_token`, `unk_token`).

    Raises:
        CheckpointError: where tokenizer_config.json is not JSON.
    """
    config = read_json_object(folder / "tokenizer_config.json")
    texts = {role: _token_text(config.get(role)) for role in _ROLES}
    return {role: text for role, text in texts.items() if text is not None}


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


def read_json_object(path: Path) -> JsonObject:
    """Return a JSON file's object, {} where the file does not exist.

    Raises:
        CheckpointError: where it is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = parse_structure(_text(path))
    except JsonTextError as error:
        raise CheckpointError(
            f"is not valid JSON (line {error.line}: {error})", where=str(path)
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError("does not hold a JSON object", where=str(path))
    return value


def _text(path: Path) -> str:
    try:
        return read_bytes(path, _LARGEST_FILE_BYTES).decode()
    except InputError as error:
        raise CheckpointError(error.what, where=str(path)) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"cannot be read ({error})", where=str(path)) from error


def _token_text(value: JsonValue) -> str | None:
    """A special token is written as its text, or as an AddedToken object."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


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
