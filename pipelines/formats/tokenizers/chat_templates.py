"""Which chat templates a checkpoint folder holds, and which one a conversation gets.

Source: `PreTrainedTokenizerBase._from_pretrained` and `get_chat_template` in
transformers/tokenization_utils_base.py (5.17). `chat_template.json` is written for processors of images and
sounds and read by them alone. Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import Digest, JsonValue, digest_of
from quantgate.pipelines.files.json_files import is_given, read_json_object, read_text

CHAT_TEMPLATE_FILE = "chat_template.jinja"
TEMPLATES_FOLDER = "additional_chat_templates"
PROCESSOR_TEMPLATE_FILE = "chat_template.json"
DEFAULT = "default"
TOOL_USE = "tool_use"
_CONFIG = "tokenizer_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplates:
    """Templates by name; none where the checkpoint is a plain language model."""

    named: Mapping[str, str]

    @property
    def default(self) -> str:
        """The template of conversations without tools, "" where there is none."""
        return self.named.get(DEFAULT, "")

    def of(self, *, has_tools: bool) -> str:
        """Return the template of a conversation: with tools the one called `tool_use`, where there is one."""
        return (self.named.get(TOOL_USE) if has_tools else None) or self.default

    @property
    def digest(self) -> Digest:
        """Identity of all of them; that of the text alone where there is one template."""
        return digest_of(dict(self.named))


def read_chat_templates(folder: Path) -> ChatTemplates:
    """Read a folder's templates.

    Files win over what stands in tokenizer_config.json, all of it: `chat_template.jinja` is the default,
    `additional_chat_templates/NAME.jinja` the one called NAME.

    Raises:
        CheckpointError: where a file is not what its name says, or there are templates and no default.
    """
    named = _in_files(folder) or _in_config(folder)
    if named and DEFAULT not in named:
        raise CheckpointError(
            f"has {len(named)} chat templates ({', '.join(sorted(named))}) and none is called 'default'",
            where=str(folder),
            next_step=f"write the one to be used into {CHAT_TEMPLATE_FILE}",
        )
    return ChatTemplates(named={name: text for name, text in named.items() if text})


def template_notes(folder: Path) -> tuple[str, ...]:
    """Say which templates of a folder nobody reads, or not everybody alike.

    Raises:
        CheckpointError: as for `read_chat_templates`.
    """
    notes = []
    files, config = _in_files(folder), _in_config(folder)
    if files and config and files != config:
        notes.append(
            f"tokenizer_config.json holds another chat template than {CHAT_TEMPLATE_FILE}; the file is used, "
            "as transformers does, and llama.cpp's converter takes the other"
        )
    if (folder / PROCESSOR_TEMPLATE_FILE).is_file() and not (files or config):
        notes.append(
            f"{PROCESSOR_TEMPLATE_FILE} is a processor's and no tokenizer reads it: there is no chat template"
        )
    return tuple(notes)


def _in_files(folder: Path) -> dict[str, str]:
    default = folder / CHAT_TEMPLATE_FILE
    named = {DEFAULT: read_text(default)} if is_given(default) else {}
    others = sorted((folder / TEMPLATES_FOLDER).glob("*.jinja"))
    return named | {path.name.removesuffix(".jinja"): read_text(path) for path in others}


def _in_config(folder: Path) -> dict[str, str]:
    value = read_json_object(folder / _CONFIG).get("chat_template")
    if value is None:
        return {}
    pairs = _pairs(value)
    texts = {name: text for name, text in pairs if isinstance(name, str) and isinstance(text, str)}
    if len(texts) != len(pairs) or not pairs:
        raise CheckpointError(
            "chat_template is neither a text nor texts with names of their own",
            where=str(folder / _CONFIG),
            next_step=f"write the template into {CHAT_TEMPLATE_FILE}",
        )
    return texts


def _pairs(value: JsonValue) -> list[tuple[JsonValue, JsonValue]]:
    """Names and templates, in each of the three ways they are written."""
    if isinstance(value, str):
        return [(DEFAULT, value)]
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        rows = [row if isinstance(row, dict) else {} for row in value]
        return [(row.get("name"), row.get("template")) for row in rows]
    return []
