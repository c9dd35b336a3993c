"""Child process: convert a checkpoint folder to one F16 GGUF with llama.cpp's own converter.

The converter and its `gguf` package come from the pinned source distribution (the `gguf` on the package
index lags behind under the same version number and breaks it). Its files are not edited: its detection
of the pre-tokenizer is wrapped here, in this process.
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from pipelines.backends.llamacpp_messages import ConvertCall, ConvertFacts
from pipelines.backends.llamacpp_pretypes import PRE_TYPES, match_pretype
from pipelines.backends.workers.llamacpp_gguf import read_gguf
from pipelines.domain.errors import CheckpointError
from pipelines.domain.values import JsonValue
from pipelines.files.chat_templates import DEFAULT, read_chat_templates
from pipelines.files.json_files import read_json_object
from pipelines.files.own_tokenizer import LEFTOVERS
from pipelines.files.temporary import temporary_folder
from pipelines.process.calls import OnProgress, Progress
from pipelines.process.harness import serve

# The converter copies model cards, folder names and the like into the file's metadata. What is not in the
# checkpoint's digests must not influence the bytes, so it is shown only what is, under one folder name.
_SEEN = (
    "generation_config.json",
    "model.safetensors.index.json",
    "tokenizer.model",
)
_ORIGIN_KEYS = ("_name_or_path", "name_or_path")
_FOLDER_NAME = "base"


def convert(call: ConvertCall, on_progress: OnProgress) -> ConvertFacts:
    """Convert and validate.

    Raises:
        CheckpointError: where llama.cpp does not know the architecture or the tokenizer's rules, or a
            weight does not fit F16.
    """
    on_progress(Progress(done=0, total=0, what="converting to GGUF"))
    script = _converter(call.converter)
    detected = _Detected()
    _wrap_detection(detected, call.checkpoint)
    with temporary_folder() as temporary:
        view = temporary / _FOLDER_NAME
        _show(call.checkpoint, view)
        _run(script, view, call)
    _refuse_nonfinite(call)
    return ConvertFacts(pre_tokenizer=detected.name, pre_tokenizer_source=detected.source)


class _Detected:
    """What the wrapped detection found."""

    def __init__(self) -> None:
        self.name = ""
        self.source = ""


def _converter(folder: Path) -> ModuleType:
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


def _from_table(checkpoint: Path) -> str:
    file = checkpoint / "tokenizer.json"
    name = match_pretype(json.loads(file.read_bytes())) if file.is_file() else None
    if name is None:
        known = ", ".join(sorted({row.name for row in PRE_TYPES}))
        raise CheckpointError(
            "llama.cpp does not know how this tokenizer cuts text into pieces",
            where=str(file),
            next_step="leave GGUF recipes out, or save the tokenizer with a pre_tokenizer that llama.cpp"
            f" has (its names: {known})",
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
    (view / "config.json").write_text(json.dumps(kept))
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


def _run(script: ModuleType, view: Path, call: ConvertCall) -> None:
    sys.argv = [
        "convert_hf_to_gguf.py",
        str(view),
        "--outtype",
        "f16",
        "--outfile",
        str(call.output),
    ]
    try:
        script.main()
    except SystemExit as error:
        if error.code:
            raise _refusal(call, "its architecture is unknown to the converter") from error
    except (AssertionError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise _refusal(call, f"{type(error).__name__}: {error}") from error


def _refusal(call: ConvertCall, reason: str) -> CheckpointError:
    return CheckpointError(
        f"llama.cpp's converter refuses it: {reason}",
        where=str(call.checkpoint),
        next_step="leave GGUF recipes out for this checkpoint",
    )


def _refuse_nonfinite(call: ConvertCall) -> None:
    with read_gguf(call.output) as gguf:
        bad = [tensor.name for tensor in gguf.tensors if not gguf.is_finite(tensor)]
    if bad:
        raise CheckpointError(
            f"NaN, or values above 65504 that F16 cannot hold, in {len(bad)} tensors: "
            + ", ".join(bad[:5]),
            where=str(call.checkpoint),
            next_step="leave GGUF recipes out for this checkpoint",
        )


if __name__ == "__main__":
    serve(convert, ConvertCall)
