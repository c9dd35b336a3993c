"""The tokenizer of a GGUF file as the files that a checkpoint folder holds.

Formats: tokenizer.json of the tokenizers library 0.23; tokenizer_config.json, chat templates and
generation_config.json as `pipelines.formats.tokenizers.folder` reads them. transformers' own reader of GGUF
files loses the rules that cut digits apart, takes byte-level pieces for SentencePiece and mixes up special
tokens.
"""

import json
from pathlib import Path

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.unpacking.byte_level import byte_level_parts
from quantgate.pipelines.engines.llamacpp.unpacking.sentencepiece import (
    sentencepiece_model,
    sentencepiece_parts,
)
from quantgate.pipelines.engines.llamacpp.unpacking.vocabulary import (
    SENTENCEPIECE,
    GgufVocabulary,
    TokenKind,
)
from quantgate.pipelines.files.records import write_text
from quantgate.pipelines.formats.tokenizers.chat_templates import (
    CHAT_TEMPLATE_FILE,
    DEFAULT,
    TEMPLATES_FOLDER,
)

_PARSED = (TokenKind.CONTROL, TokenKind.USER_DEFINED, TokenKind.UNKNOWN)
"""Tokens that llama.cpp finds in a text before it is cut."""
_NOT_STRIPPED = ("<unk>", "<s>", "<|endoftext|>")


def write_tokenizer(vocabulary: GgufVocabulary, folder: Path, context_tokens: int) -> None:
    """Write all files of a tokenizer into a checkpoint folder.

    Raises:
        CheckpointError: where the file's rules have no equal, or a template cannot be a file.
    """
    parts = (
        sentencepiece_parts(vocabulary)
        if vocabulary.model == SENTENCEPIECE
        else byte_level_parts(vocabulary, str(folder))
    )
    content: JsonObject = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(vocabulary, number) for number in _parsed(vocabulary)],
        "post_processor": _around(vocabulary),
        **parts,
    }
    _write(folder / "tokenizer.json", content)
    if vocabulary.model == SENTENCEPIECE:
        (folder / "tokenizer.model").write_bytes(sentencepiece_model(vocabulary))
    _write(folder / "tokenizer_config.json", _configuration(vocabulary, context_tokens))
    _write(folder / "generation_config.json", _generation(vocabulary))
    _write_templates(vocabulary, folder)


def _parsed(vocabulary: GgufVocabulary) -> list[int]:
    special = set(vocabulary.roles.values()) | set(vocabulary.end_ids)
    return [
        number
        for number, kind in enumerate(vocabulary.kinds)
        if kind in _PARSED or number in special
    ]


def _added(vocabulary: GgufVocabulary, number: int) -> JsonValue:
    text = vocabulary.tokens[number]
    return {
        "id": number,
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": vocabulary.strips_behind_special and text not in _NOT_STRIPPED,
        "normalized": False,
        "special": vocabulary.kinds[number] != TokenKind.USER_DEFINED,
    }


def _around(vocabulary: GgufVocabulary) -> JsonValue:
    """Return what puts a beginning and an end around a text that is tokenized on its own."""
    texts = vocabulary.role_texts
    beginning = texts.get("bos_token") if vocabulary.adds_beginning else None
    end = texts.get("eos_token") if vocabulary.adds_end else None
    added = [text for text in (beginning, end) if text is not None]
    if not added:
        return None

    def wrapped(name: str, type_id: int) -> list[JsonValue]:
        def mark(text: str | None) -> list[JsonValue]:
            return [] if text is None else [{"SpecialToken": {"id": text, "type_id": type_id}}]

        sequence: JsonValue = {"Sequence": {"id": name, "type_id": type_id}}
        return [*mark(beginning), sequence, *mark(end)]

    numbers = {text: vocabulary.roles[role] for role, text in texts.items()}
    return {
        "type": "TemplateProcessing",
        "single": wrapped("A", 0),
        "pair": [*wrapped("A", 0), *wrapped("B", 1)],
        "special_tokens": {
            text: {"id": text, "ids": [numbers[text]], "tokens": [text]} for text in added
        },
    }


def _configuration(vocabulary: GgufVocabulary, context_tokens: int) -> JsonObject:
    """Name the class that takes tokenizer.json as it is, and the special tokens by role."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_tokens,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": vocabulary.adds_beginning,
        "add_eos_token": vocabulary.adds_end,
        **(
            {"add_prefix_space": vocabulary.adds_space} if vocabulary.model == SENTENCEPIECE else {}
        ),
        **vocabulary.role_texts,
    }


def _generation(vocabulary: GgufVocabulary) -> JsonObject:
    ids: JsonObject = {}
    if "bos_token" in vocabulary.roles:
        ids["bos_token_id"] = vocabulary.roles["bos_token"]
    if vocabulary.end_ids:
        ids["eos_token_id"] = list(vocabulary.end_ids)
    if "pad_token" in vocabulary.roles:
        ids["pad_token_id"] = vocabulary.roles["pad_token"]
    return ids


def _write_templates(vocabulary: GgufVocabulary, folder: Path) -> None:
    for name, text in vocabulary.templates.items():
        if name == DEFAULT:
            write_text(folder / CHAT_TEMPLATE_FILE, text)
            continue
        if not name.isidentifier():
            raise CheckpointError(
                f"has a chat template of the name {name[:100]!r}, which cannot be a file's",
                where=str(folder),
                next_step="name the checkpoint that the GGUF was made from",
            )
        (folder / TEMPLATES_FOLDER).mkdir(exist_ok=True)
        write_text(folder / TEMPLATES_FOLDER / f"{name}.jinja", text)


def _write(path: Path, content: JsonObject) -> None:
    write_text(path, json.dumps(content, ensure_ascii=False))
