"""llama.cpp's own converter, opened in a child process and shown no more than a checkpoint's digests cover.

Only worker modules import this. The converter and its `gguf` package come from the pinned source
distribution (the `gguf` on the package index lags behind under the same version number and breaks it). Its
files are not edited: its detection of the pre-tokenizer, and what it gets wrong, are wrapped in this process.
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.build_messages import ConvertCall, ConvertFacts
from quantgate.pipelines.engines.llamacpp.pretypes import (
    PRE_TYPES,
    byte_fallback_hint,
    match_pretype,
)
from quantgate.pipelines.engines.llamacpp.released_config import as_released, lacks_draft
from quantgate.pipelines.engines.llamacpp.workers.building.rotated_rows import reorder_rotated_rows
from quantgate.pipelines.files.disk.full import full_disk
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.files.temporary import temporary_folder
from quantgate.pipelines.formats.configuration.language_config import count_of, language_config
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.formats.tokenizers.chat_templates import DEFAULT, read_chat_templates
from quantgate.pipelines.formats.tokenizers.checkpoint import LEFTOVERS
from quantgate.pipelines.process.endings.last_words import words_of
from quantgate.pipelines.process.endings.shortage import machine_trouble

# The converter copies model cards, folder names and the like into the file's metadata. What is not in the
# checkpoint's digests must not influence the bytes, so it is shown only what is, under one folder name.
_SEEN = (
    "generation_config.json",
    "model.safetensors.index.json",
    "tokenizer.model",
)
_ORIGIN_KEYS = ("_name_or_path", "name_or_path")
_FOLDER_NAME = "base"
_ASSERTIONS = {
    "max(tokenizer.vocab.values()) < vocab_size": "its tokenizer has added tokens beyond the rows of its "
    "embeddings (save them with resize_token_embeddings, or take the tokens out of the tokenizer)"
}
"""What assertions without words of their own mean (conversion/base.py)."""


class _Detected:
    """What the wrapped detection found."""

    def __init__(self) -> None:
        self.name = ""
        self.source = ""


def _open(folder: Path) -> ModuleType:
    sys.path[:0] = [str(folder), str(folder / "gguf-py")]
    return importlib.import_module("convert_hf_to_gguf")


def _wrap_detection(detected: _Detected, checkpoint: Path) -> None:
    base = importlib.import_module("conversion.base").TextModel
    upstream: Callable[[object, object], str] = base.get_vocab_base_pre

    def detect(self: object, tokenizer: object) -> str:
        try:
            detected.name, detected.source = upstream(self, tokenizer), "upstream"
        except NotImplementedError:
            detected.name, detected.source = _from_table(checkpoint), "table"
        return detected.name

    base.get_vocab_base_pre = detect


def _wrap_settings() -> None:
    """Let classes that ask transformers for config.json see it as releases have it; others read the file."""
    base = importlib.import_module("conversion.base").ModelBase
    upstream: Callable[..., JsonObject] = base.load_hparams
    base.load_hparams = staticmethod(lambda *asked, **named: as_released(upstream(*asked, **named)))


def _expect_no_draft(script: ModuleType, checkpoint: Path) -> None:
    """Let classes that convert draft layers as well not wait for some where none are stored."""
    layers = count_of(language_config(checkpoint), "num_hidden_layers")
    if not lacks_draft((tensor.name for tensor in read_tensors(checkpoint)), layers):
        return
    upstream: Callable[..., Any] = script.get_model_class

    def choose(*arguments: object, **named: object) -> object:
        chosen = upstream(*arguments, **named)
        chosen.no_mtp = chosen.no_mtp or chosen.supports_mtp_export
        return chosen

    script.get_model_class = choose  # type: ignore[attr-defined]  # a module's own name


def _from_table(checkpoint: Path) -> str:
    file = checkpoint / "tokenizer.json"
    name = match_pretype(json.loads(file.read_bytes())) if file.is_file() else None
    if name is None:
        names = ", ".join(sorted({row.name for row in PRE_TYPES}))
        raise CheckpointError(
            "llama.cpp does not know how this tokenizer cuts text into pieces",
            where=str(file),
            next_step=byte_fallback_hint(checkpoint)
            or "leave GGUF recipes out, or save the tokenizer with a pre_tokenizer that llama.cpp"
            f" has (its names: {names})",
        )
    return name


def _show(checkpoint: Path, view: Path) -> None:
    """Link what the converter may see into a folder, and write the config without its origin.

    What training left in tokenizer.json is taken out: with a padding, transformers adds a token to the
    vocabulary that the weights have no row for. Of several places that hold chat templates the converter
    prefers tokenizer_config.json and transformers the files: it is shown one place, with the templates that a
    conversation gets in transformers.
    """
    view.mkdir()
    named = [checkpoint / name for name in _SEEN if (checkpoint / name).is_file()]
    for file in (*named, *checkpoint.glob("*.safetensors")):
        (view / file.name).symlink_to(file.resolve())
    config = json.loads((checkpoint / "config.json").read_bytes())
    kept = {key: value for key, value in config.items() if key not in _ORIGIN_KEYS}
    (view / "config.json").write_text(json.dumps(as_released(kept)))
    _show_tokenizer(checkpoint, view)


def _show_tokenizer(checkpoint: Path, view: Path) -> None:
    file = checkpoint / "tokenizer.json"
    if file.is_file():
        content = read_json_object(file) | dict.fromkeys(LEFTOVERS)
        (view / file.name).write_text(json.dumps(content))
    config = checkpoint / "tokenizer_config.json"
    if config.is_file() or _templates(checkpoint):
        shown = read_json_object(config) | {"chat_template": _templates(checkpoint)}
        (view / config.name).write_text(json.dumps(shown))


def _templates(checkpoint: Path) -> JsonValue:
    """Return a checkpoint's chat templates as tokenizer_config.json holds them, None where there are none."""
    named = read_chat_templates(checkpoint).named
    if set(named) <= {DEFAULT}:
        return named.get(DEFAULT)
    return [{"name": name, "template": text} for name, text in named.items()]


def as_it_is() -> None:
    """Leave the converter's writer as it is."""


def run_converter(call: ConvertCall, wrap_writer: Callable[[], None] = as_it_is) -> ConvertFacts:
    """Show the checkpoint to the converter and run it; `wrap_writer` may change its `gguf` package before.

    Raises:
        CheckpointError: where llama.cpp does not know the architecture or the tokenizer's rules, or the
            converter ends in whatever else.
        OSError: where the disk is full.
        ToolchainError: where something else failed on this machine.
    """
    script, detected = _open(call.converter), _Detected()
    wrap_writer()
    _wrap_detection(detected, call.checkpoint)
    _wrap_settings()
    _expect_no_draft(script, call.checkpoint)
    reorder_rotated_rows(call.checkpoint)
    with temporary_folder() as temporary:
        view = temporary / _FOLDER_NAME
        _show(call.checkpoint, view)
        sys.argv = ["convert_hf_to_gguf.py", str(view), "--outtype", "f16"]
        sys.argv += ["--outfile", str(call.output)]
        try:
            script.main()
        except SystemExit as error:
            if error.code:
                raise _refusal(call, "its architecture is unknown to the converter") from error
        except (CheckpointError, MemoryError):
            raise
        except (
            Exception
        ) as error:  # foreign code, another for each architecture: it raises what it likes
            if isinstance(error, OSError) and full_disk(error, call.output) is not None:
                raise
            reason = words_of(error).replace(f"{view}/", "")
            raise machine_trouble(reason) or _refusal(call, plain_reason(reason)) from error
    return ConvertFacts(pre_tokenizer=detected.name, pre_tokenizer_source=detected.source)


def plain_reason(reason: str) -> str:
    """Return what a bare assertion of the converter means, else the reason as it stands."""
    return next((meaning for text, meaning in _ASSERTIONS.items() if text in reason), reason)


def _refusal(call: ConvertCall, reason: str) -> CheckpointError:
    return CheckpointError(
        f"llama.cpp's converter refuses it: {reason}",
        where=str(call.checkpoint),
        next_step="leave GGUF recipes out for this checkpoint",
    )
