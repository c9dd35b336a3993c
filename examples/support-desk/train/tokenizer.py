"""A byte-level tokenizer of 1,792 tokens that lets a small model copy names and ids.

Copying needs one text to be the same few, common symbols wherever it stands. So words of the phrase
book are whole tokens, with or without the space before them; ids and numbers are single letters and
digits; and a name falls into the parts it was put together from, each of them one token. With merges
learnt on text, names had hundreds of rare pieces and copying was learnt for almost none of them.

The file uses the pieces of Llama 3 and its rule that a piece found in the vocabulary needs no
merges (`ignore_merges`), which llama.cpp knows as `llama-bpe`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from names import name_parts
from tokenizers import Regex, pre_tokenizers

VOCABULARY_SIZE = 1792
PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = [PAD, BEGIN, END, SYSTEM, USER, ASSISTANT]

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

# Source: tokenizer.json of meta-llama/Meta-Llama-3-8B; src/llama-vocab.cpp has the same.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_WORD = re.compile(r"[^\W\d_]+")


def words_of(texts: Iterable[str]) -> set[str]:
    """The lower-case words of texts."""
    return {word.lower() for text in texts for word in _WORD.findall(text)}


def build_tokenizer(texts: Sequence[str], known_words: set[str]) -> dict[str, Any]:
    """The content of `tokenizer.json`: the commonest pieces of the texts become tokens.

    A piece qualifies when its word is known, or when it is punctuation; so no name does.
    """
    splitter = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    counts = Counter(piece for text in texts for piece, _ in splitter.pre_tokenize_str(text))
    letters = {letter for piece in counts for letter in piece if len(letter.encode()) == 2}
    letters |= {letter for part in name_parts() for letter in part if len(letter.encode()) == 2}
    merges = [list(_byte_text(letter)) for letter in sorted(letters)] + _part_merges()
    tokens = SPECIAL_TOKENS + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens += dict.fromkeys("".join(merge) for merge in merges)
    for piece, _ in counts.most_common():
        token = _byte_text(piece)
        if token not in tokens and _is_known(piece, known_words):
            tokens.append(token)
    return _tokenizer_json(tokens[:VOCABULARY_SIZE], merges)


def save_tokenizer(content: dict[str, Any], folder: Path, *, max_length_tokens: int) -> None:
    """Write the tokenizer files of a checkpoint folder."""
    _write_json(folder / "tokenizer.json", content)
    names = {"bos_token": BEGIN, "eos_token": END, "pad_token": PAD}
    _write_json(folder / "special_tokens_map.json", names)
    settings = {
        **names,
        "add_bos_token": False,  # the chat template writes it
        "add_prefix_space": False,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length_tokens,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    _write_json(folder / "tokenizer_config.json", settings)


def _part_merges() -> list[list[str]]:
    """Merges that make each part of a name one token: its letters from the left, short runs first.

    Every part begins with a consonant and no part goes on where another one could begin, so a name
    falls into the parts it was put together from.
    """
    pairs: dict[int, dict[tuple[str, str], None]] = {}
    for part in name_parts():
        for length in range(1, len(part)):
            pair = (_byte_text(part[:length]), _byte_text(part[length]))
            pairs.setdefault(length, {})[pair] = None
    return [list(pair) for length in sorted(pairs) for pair in pairs[length]]


def _is_known(piece: str, known_words: set[str]) -> bool:
    if any(letter.isdigit() for letter in piece):
        return False
    return all(word.lower() in known_words for word in _WORD.findall(piece))


def _byte_text(text: str) -> str:
    """A text in the printable alphabet in which byte-level vocabularies write bytes."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(piece for piece, _ in byte_level.pre_tokenize_str(text))


def _tokenizer_json(tokens: Sequence[str], merges: list[list[str]]) -> dict[str, Any]:
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    split = {"type": "Split", "pattern": {"Regex": _PIECES}, "behavior": "Isolated"}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, token in enumerate(SPECIAL_TOKENS)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{**split, "invert": False}, byte_level],
        },
        "post_processor": None,
        "decoder": {**byte_level, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": merges,
        },
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
