"""Digests of a checkpoint's four parts, each of what it means and not of what a tool noted beside it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from quantgate.pipelines.domain.checkpoint import CheckpointDigests
from quantgate.pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.formats.safetensors import weight_files
from quantgate.pipelines.formats.tokenizers.chat_templates import DEFAULT, read_chat_templates
from quantgate.pipelines.formats.tokenizers.special_tokens import read_token_names, token_names

_VOLATILE = (
    "transformers_version", "_name_or_path", "name_or_path", "_commit_hash", "is_local",
    "local_files_only", "tokenizer_file", "special_tokens_map_file",
)  # fmt: skip
"""Keys that say who wrote a file and where; equal checkpoints differ in them."""


def checkpoint_digests(folder: Path, file_digest: Callable[[Path], Digest]) -> CheckpointDigests:
    """Return the digests; `file_digest` is asked for whole files and may remember them.

    Raises:
        CheckpointError: where a JSON file is damaged or the weights' index is wrong.
    """
    tokenizer_config = _meaning(folder / "tokenizer_config.json", "chat_template")
    tokenizer_files: list[JsonValue] = [
        [name, str(file_digest(folder / name))]
        for name in ("tokenizer.json", "tokenizer.model")
        if (folder / name).is_file()
    ]
    if more := _beside(folder, tokenizer_config):
        tokenizer_files.append(more)
    return CheckpointDigests(
        weights=digest_of(tuple(sorted(file_digest(file) for file in weight_files(folder)))),
        tokenizer=digest_of([tokenizer_files, tokenizer_config]),
        chat_template=_templates(folder),
        config=digest_of(
            [_meaning(folder / "config.json"), _meaning(folder / "generation_config.json")]
        ),
    )


def _templates(folder: Path) -> Digest:
    """The digest of the template's bytes; where there are several, of all of them by name."""
    templates = read_chat_templates(folder)
    if set(templates.named) <= {DEFAULT}:
        return Digest(hashlib.sha256(templates.default.encode()).hexdigest())
    return digest_of(dict(templates.named))


def _beside(folder: Path, tokenizer_config: JsonObject) -> list[JsonValue]:
    """Return what special_tokens_map.json and added_tokens.json say that tokenizer_config.json does not."""
    names = read_token_names(folder)
    said = token_names(tokenizer_config)
    return [] if names == said else ["special tokens", to_json(names)]


def _meaning(file: Path, *left_out: str) -> JsonObject:
    content = read_json_object(file)
    return {key: value for key, value in content.items() if key not in (*_VOLATILE, *left_out)}
