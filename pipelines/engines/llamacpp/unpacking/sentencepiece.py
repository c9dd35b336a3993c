"""A SentencePiece vocabulary of a GGUF file as the model of a tokenizer.json, and as a tokenizer.model.

Sources: `llm_tokenizer_spm` in src/llama-vocab.cpp merges the neighbours whose union has the highest score,
the leftmost of equals first; merges in the order of their scores do the same. `tokenizer.model` is a
`ModelProto` of sentencepiece's src/sentencepiece_model.proto in protobuf's wire format
(https://protobuf.dev/programming-guides/encoding/). llama.cpp's converter reads scores from that file alone.
"""

import struct
from collections.abc import Iterator

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.unpacking.vocabulary import GgufVocabulary, TokenKind

SPACE = "\u2581"
_MERGED = (TokenKind.NORMAL, TokenKind.UNUSED)
_VARINT, _FIXED32, _BYTES = 0, 5, 2
_PAIR_ENCODING = 2  # TrainerSpec.ModelType.BPE
_LOW_BITS, _CONTINUED = 0x7F, 0x80


def sentencepiece_parts(vocabulary: GgufVocabulary) -> JsonObject:
    """Return normalizer, pre_tokenizer, model and decoder of a tokenizer.json.

    A space is put before every stretch of text between special tokens, where the file says so.
    """
    ids: dict[str, JsonValue] = {
        token: number
        for number, token in enumerate(vocabulary.tokens)
        if not vocabulary.is_padding(number)
    }
    replaced: JsonValue = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepended: JsonValue = {"type": "Prepend", "prepend": SPACE}
    steps = [prepended, replaced] if vocabulary.adds_space else [replaced]
    back: list[JsonValue] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if vocabulary.adds_space:
        back.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": back},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": vocabulary.role_texts.get("unk_token"),
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": ids,
            "merges": [[left, right] for left, right in _merges(vocabulary)],
        },
    }


def _merges(vocabulary: GgufVocabulary) -> list[tuple[str, str]]:
    """Return every way to put a piece together of two others, by its score, highest first."""
    pieces = {
        token: (-vocabulary.scores[number], number)
        for number, token in enumerate(vocabulary.tokens)
        if vocabulary.kinds[number] in _MERGED and not vocabulary.is_padding(number)
    }
    ranked = [
        (*rank, len(piece[:at]), piece[:at], piece[at:])
        for piece, rank in pieces.items()
        for at in range(1, len(piece))
        if piece[:at] in pieces and piece[at:] in pieces
    ]
    return [(left, right) for *_, left, right in sorted(ranked)]


def sentencepiece_model(vocabulary: GgufVocabulary) -> bytes:
    """Return a tokenizer.model of the same pieces, scores and special ids."""
    pieces = b"".join(
        _message(1, _piece(token, vocabulary.scores[number], vocabulary.kinds[number]))
        for number, token in enumerate(vocabulary.tokens)
        if not vocabulary.is_padding(number)
    )
    return pieces + _message(2, _trainer(vocabulary)) + _message(3, _normalizer(vocabulary))


def _piece(token: str, score: float, kind: int) -> bytes:
    written = _message(1, token.encode()) + _key(2, _FIXED32) + struct.pack("<f", score)
    return written + _number(3, kind)


def _trainer(vocabulary: GgufVocabulary) -> bytes:
    roles = {"unk_token": 40, "bos_token": 41, "eos_token": 42, "pad_token": 43}
    ids = (_number(field, vocabulary.roles.get(role, -1)) for role, field in roles.items())
    size = _number(4, len(vocabulary.tokens))
    return _number(3, _PAIR_ENCODING) + size + _number(35, 1) + b"".join(ids)


def _normalizer(vocabulary: GgufVocabulary) -> bytes:
    """Put a space before texts where the file says so, keep doubled spaces, write spaces as pieces do."""
    return (
        _message(1, b"identity")
        + _number(3, int(vocabulary.adds_space))
        + _number(4, 0)
        + _number(5, 1)
    )


def _message(field: int, content: bytes) -> bytes:
    return _key(field, _BYTES) + bytes(_varint(len(content))) + content


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + bytes(_varint(value))


def _key(field: int, wire_type: int) -> bytes:
    return bytes(_varint(field << 3 | wire_type))


def _varint(value: int) -> Iterator[int]:
    """Yield seven bits a byte, lowest first; negative numbers as 64 bits of two's complement."""
    left = value & (1 << 64) - 1
    while left > _LOW_BITS:
        yield left & _LOW_BITS | _CONTINUED
        left >>= 7
    yield left
