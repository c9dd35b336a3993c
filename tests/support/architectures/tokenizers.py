"""Small tokenizers: byte-level BPE, and SentencePiece where a converter takes nothing else."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import sentencepiece
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from tests.support.architectures.sizes import CONTEXT

IDS = 448
"""How many ids there are, and rows in an embedding."""
PAD, BEGIN, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_SPECIAL = (
    *(PAD, BEGIN, END, "<|user|>", "<|assistant|>", "<|observation|>", "<|system|>"),
    *("[gMASK]", "<sop>"),
)
"""Those of ChatML, and those that GLM's converter asks for by name."""
PAD_ID, BEGIN_ID, END_ID = range(3)
_UNKNOWN, _SPACE = "<unk>", "▁"
_PIECES = 440
"""SentencePiece finds no more in these texts; the ids above have tokens that nothing gives."""
_SENTENCEPIECE = {
    **dict.fromkeys(
        (
            "ernie4_5",
            "ernie4_5_moe",
            "gemma",
            "gemma2",
            "gemma3n_text",
            "gemma4_text",
            "gemma4_unified_text",
        ),
        False,
    ),
    **dict.fromkeys(("bitnet", "jamba", "minicpm3", "nemotron", "paddleocr_vl_text", "phi3"), True),
}
"""Types whose converter reads tokenizer.model and nothing else; whether a space is put before a text."""
_TEXTS = (
    "Where is order 4711? It was sent on Monday, wasn't it?",
    "naïve café – 3.14; größer, Straße",
    "你好。世界 123 こんにちは",
    "Привет, как дела?",
    '{"tool": "refund", "arguments": {"id": "A-1029", "amount": 12.50}}',
    "the cat sat on the mat and the dog ran after the other cats in the street",
    "def main():\n    return [x for x in range(10)]\n",
)
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_tokenizer_of(model_type: str, folder: Path) -> None:
    """Write tokenizer and chat template into a checkpoint's folder."""
    if model_type in _SENTENCEPIECE:
        _write_sentencepiece(folder, space_first=_SENTENCEPIECE[model_type])
    else:
        _write_byte_level(folder)


def _write_byte_level(folder: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=IDS,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    assert tokenizer.get_vocab_size() == IDS
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_config(folder, {})


def _write_sentencepiece(folder: Path, *, space_first: bool) -> None:
    """Write tokenizer.model, and the same as tokenizer.json: pieces joined in the order of their scores."""
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_TEXTS),
        model_writer=file,
        model_type="bpe",
        vocab_size=_PIECES,
        byte_fallback=True,
        character_coverage=1.0,
        pad_id=PAD_ID,
        bos_id=BEGIN_ID,
        eos_id=END_ID,
        unk_id=END_ID + 1,
        pad_piece=PAD,
        bos_piece=BEGIN,
        eos_piece=END,
        unk_piece=_UNKNOWN,
        control_symbols=list(_SPECIAL[3:]),
        normalization_rule_name="identity",
        add_dummy_prefix=space_first,
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(file.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    vocabulary = {pieces.id_to_piece(number): number for number in range(_PIECES)}
    vocabulary |= {f"<unused{number}>": number for number in range(_PIECES, IDS)}
    model = models.BPE(
        vocab=vocabulary,
        merges=_merges(pieces, vocabulary),
        unk_token=_UNKNOWN,
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    steps = [normalizers.Prepend(_SPACE)] if space_first else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens([*_SPECIAL, _UNKNOWN])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": BEGIN, "unk_token": _UNKNOWN, "add_prefix_space": space_first}
    _write_config(folder, settings)


def _merges(
    pieces: sentencepiece.SentencePieceProcessor, vocabulary: dict[str, int]
) -> list[tuple[str, str]]:
    ranked = []
    for piece, number in vocabulary.items():
        if number >= _PIECES or pieces.is_control(number) or pieces.is_byte(number):
            continue
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocabulary and right in vocabulary:
                rank = (-pieces.get_score(number), vocabulary[left], vocabulary[right])
                ranked.append((rank, (left, right)))
    return [pair for _, pair in sorted(ranked)]


def _write_config(folder: Path, more: Mapping[str, object]) -> None:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "chat_template": _TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, **more}))
