"""What an artifact's own files say of it, read without the tools that wrote it or will run it."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.hashing import file_digest
from quantgate.pipelines.formats.gguf.parts import read_all_headers
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors
from quantgate.pipelines.formats.tokenizers.folder import read_json_object, special_token_ids

_FILE_TYPE = "general.file_type"
_END_OF_SEQUENCE = "tokenizer.ggml.eos_token_id"
_NAMES_OTHERWISE = -1
_JSON_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "generation_config.json", "vocab.json",
)  # fmt: skip
_OTHER_FILES = ("tokenizer.model", "merges.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Tensors as they are stored, and the labels on the file.

    `file_type` is a GGUF's `general.file_type` (llama_ftype in include/llama.h), -1 elsewhere;
    `quantization` a folder's `quantization_config`, {} elsewhere. `stop_token_ids` end a sequence.
    `metadata` are all of a GGUF's keys, or what a folder's files for tokenizer and generation say, by file:
    JSON as it is read, other text by its digest.
    """

    tensors: tuple[StoredTensor, ...]
    file_type: int
    quantization: JsonObject
    stop_token_ids: tuple[int, ...]
    metadata: JsonObject = field(default_factory=dict)


def gguf_contents(file: Path) -> Contents:
    """Read a GGUF's header.

    Raises:
        CheckpointError: where it is damaged or cut off.
    """
    header = read_all_headers(file, longest_list=sys.maxsize)
    file_type = header.metadata.get(_FILE_TYPE)
    end = header.metadata.get(_END_OF_SEQUENCE)
    return Contents(
        tensors=header.tensors,
        file_type=file_type if isinstance(file_type, int) else _NAMES_OTHERWISE,
        quantization={},
        stop_token_ids=(end,) if isinstance(end, int) else (),
        metadata=header.metadata,
    )


def folder_contents(folder: Path) -> Contents:
    """Read a checkpoint folder's headers and configuration.

    Raises:
        CheckpointError: where a file is damaged or cut off.
    """
    quantization = read_json_object(folder / "config.json").get("quantization_config")
    return Contents(
        tensors=read_tensors(folder),
        file_type=_NAMES_OTHERWISE,
        quantization=quantization if isinstance(quantization, dict) else {},
        stop_token_ids=special_token_ids(folder).end,
        metadata=_folder_metadata(folder),
    )


def _folder_metadata(folder: Path) -> JsonObject:
    return {
        **{name: read_json_object(folder / name) for name in _JSON_FILES},
        **{name: file_digest(folder / name) for name in _OTHER_FILES if (folder / name).is_file()},
    }
