"""What an artifact's own files say of it, read without the tools that wrote it or will run it."""

from dataclasses import dataclass, field
from pathlib import Path

from pipelines.domain.values import JsonObject
from pipelines.files.gguf_header import read_gguf_header
from pipelines.files.safetensors_header import StoredTensor, read_tensors
from pipelines.files.tokenizer_folder import read_json_object, special_token_ids

_FILE_TYPE = "general.file_type"
_END_OF_SEQUENCE = "tokenizer.ggml.eos_token_id"
_NAMES_OTHERWISE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Tensors as they are stored, and the labels on the file.

    `file_type` is a GGUF's `general.file_type` (llama_ftype in include/llama.h), -1 elsewhere;
    `quantization` a folder's `quantization_config`, {} elsewhere. `stop_token_ids` end a sequence.
    `metadata` are a GGUF's own, without long lists; {} elsewhere.
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
    header = read_gguf_header(file)
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
    )
