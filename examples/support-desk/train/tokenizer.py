"""A byte-level BPE tokenizer of 1,024 tokens that lets a small model copy names and ids.

Copying needs one text to be the same tokens wherever it stands: `Tobran` after a space and
`"Tobran` inside JSON. So merges are learnt on pieces that keep letters, single digits,
punctuation and spaces apart. Only afterwards do common lower-case words get a variant that
includes the space before them, which halves a prompt and never touches names or ids.

The file is published with the pre-tokenizer of Qwen2, whose pieces are unions of ours (merges do
not cross our boundaries, so the tokens are the same) and which llama.cpp knows as `qwen2`.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phrases import PhraseBook, expand, fill
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tools import TOOLS, answer_text, call_of, refusal

VOCABULARY_SIZE = 1024
PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
# A trained tokenizer numbers its special tokens first, in this order.
SPECIAL_TOKENS = [PAD, BEGIN, END, SYSTEM, USER, ASSISTANT]

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + eos_token }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

_EXPANSIONS = 20  # of each phrase, whose branches are picked at random
_SPACED_WORDS = 160
_COMMON_WORD = re.compile("[a-z]{2,}")
_SPACE = "Ġ"  # how byte-level BPE writes a space
_LEARNT_PIECES = r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+|\s+"
# Source: tokenizer.json of Qwen/Qwen2-0.5B; src/llama-vocab.cpp has the same as `qwen2`.
_PUBLISHED_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def nameless_texts(books: Mapping[str, PhraseBook], rng: random.Random) -> list[str]:
    """Phrases and calls without names and ids, to learn the merges on.

    Names then fall into short pieces, each of them common: copying one is copying any. Merges
    learnt on names would be many and rare, and each would have to be learnt on its own.
    """
    lines = [line for book in books.values() for line in book.lines()] * _EXPANSIONS
    phrases = [fill(expand(line, rng), defaultdict(lambda: "0")) for line in lines]
    calls = [call_of(name, dict.fromkeys(tool.slots, "0")) for name, tool in TOOLS.items()]
    calls += [refusal(reason) for reason in books["en"].refusals]
    return phrases + [answer_text(call) for call in calls] * _EXPANSIONS


def train_tokenizer(texts: Sequence[str]) -> dict[str, Any]:
    """Learn the merges on texts; returns the content of `tokenizer.json`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LEARNT_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - _SPACED_WORDS,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    _add_spaced_words(content["model"], texts)
    _publish_pieces(content)
    return content


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


def _add_spaced_words(model: dict[str, Any], texts: Iterable[str]) -> None:
    """Append merges of a space with the commonest words that are one token already."""
    vocabulary: dict[str, int] = model["vocab"]
    counts = Counter(word for text in texts for word in text.split(" ")[1:])
    common = (word for word, _ in counts.most_common() if _COMMON_WORD.fullmatch(word))
    spaced = (word for word in common if word in vocabulary)
    while len(vocabulary) < VOCABULARY_SIZE:
        word = next(spaced)
        vocabulary[_SPACE + word] = len(vocabulary)
        model["merges"].append([_SPACE, word])


def _publish_pieces(content: dict[str, Any]) -> None:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {
                "type": "Split",
                "pattern": {"Regex": _PUBLISHED_PIECES},
                "behavior": "Isolated",
                "invert": False,
            },
            {**byte_level, "use_regex": False},
        ],
    }
    content["post_processor"] = {**byte_level, "use_regex": False}
    content["decoder"] = {**byte_level, "use_regex": False}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
