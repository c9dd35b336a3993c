"""Digests of a checkpoint's four parts, each of what it means and not of what a tool noted beside it."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from pipelines.domain.checkpoint import CheckpointDigests
from pipelines.domain.values import Digest, JsonObject, JsonValue, digest_of
from pipelines.files.safetensors_header import weight_files
from pipelines.files.tokenizer_folder import chat_template_text, read_json_object

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
    template = chat_template_text(folder)
    return CheckpointDigests(
        weights=digest_of(tuple(sorted(file_digest(file) for file in weight_files(folder)))),
        tokenizer=digest_of([tokenizer_files, tokenizer_config]),
        chat_template=Digest(hashlib.sha256(template.encode()).hexdigest()),
        config=digest_of(
            [_meaning(folder / "config.json"), _meaning(folder / "generation_config.json")]
        ),
    )


def _meaning(file: Path, *left_out: str) -> JsonObject:
    content = read_json_object(file)
    return {key: value for key, value in content.items() if key not in (*_VOLATILE, *left_out)}
