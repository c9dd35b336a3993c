"""The vocabulary that a GGUF file holds, as llama.cpp reads it.

Source: keys `tokenizer.*` in docs/gguf.md of ggml, and `llama_vocab::impl::load` in src/llama-vocab.cpp for
what holds where a key is missing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.formats.tokenizers.chat_templates import DEFAULT

SENTENCEPIECE, BYTE_LEVEL = "llama", "gpt2"
_PREFIX = "tokenizer.ggml."
_TEMPLATE = "tokenizer.chat_template"
_ROLES = {
    "bos_token": "bos_token_id", "eos_token": "eos_token_id", "unk_token": "unknown_token_id",
    "sep_token": "seperator_token_id", "pad_token": "padding_token_id", "cls_token": "cls_token_id",
    "mask_token": "mask_token_id",
}  # fmt: skip
_ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")
_SENTENCEPIECE_IDS = {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
_BEGINS_UNASKED = (
    "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
    "jina-v5-nano", "tekken", "chameleon",
)  # fmt: skip
"""Pre-types of byte-level vocabularies to whose texts llama.cpp adds a beginning where no key says so."""


class TokenKind(IntEnum):
    """What a token is: `llama_token_type` in include/llama.h."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufVocabulary:
    """Tokens by id, and what llama.cpp does to a text before and after it looks them up.

    `model` is `llama` (SentencePiece, with `scores`) or `gpt2` (byte-level pairs, with `merges`);
    `pre_type` says how the latter cut text before merging. `roles` are ids by role (`bos_token`), `end_ids`
    those that end an answer, the file's own end first. `templates` are chat templates by name.
    """

    model: str
    pre_type: str
    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    scores: tuple[float, ...]
    merges: tuple[tuple[str, str], ...]
    roles: Mapping[str, int]
    end_ids: tuple[int, ...]
    adds_beginning: bool
    adds_end: bool
    adds_space: bool
    strips_behind_special: bool
    templates: Mapping[str, str]

    @property
    def role_texts(self) -> dict[str, str]:
        """Texts of the special tokens by role."""
        return {role: self.tokens[number] for role, number in self.roles.items()}

    @property
    def special_ids(self) -> JsonObject:
        """Ids of beginning, end and padding as config.json has them, None where the file names none."""
        roles = ("bos_token", "eos_token", "pad_token")
        return {f"{role}_id": self.roles.get(role) for role in roles}

    def is_padding(self, number: int) -> bool:
        """Whether a token fills the vocabulary up to the embedding's rows: converters write `[PAD<id>]`."""
        return self.kinds[number] == TokenKind.UNUSED and self.tokens[number] == f"[PAD{number}]"


def read_vocabulary(metadata: JsonObject, where: str) -> GgufVocabulary:
    """Read a vocabulary from a header's metadata, in which no list was passed over.

    Raises:
        CheckpointError: where there is none, it is of a kind that has no tokenizer.json here, or it
            contradicts itself.
    """
    model = metadata.get(f"{_PREFIX}model")
    if model not in (SENTENCEPIECE, BYTE_LEVEL):
        raise CheckpointError(
            f"has a tokenizer of the kind '{model}'; '{BYTE_LEVEL}' and '{SENTENCEPIECE}' can be read"
            if model
            else "holds no tokenizer (tokenizer.ggml.model)",
            where=where,
            next_step="name the checkpoint that the GGUF was made from",
        )
    tokens = _tokens(metadata, where)
    pre_type = str(metadata.get(f"{_PREFIX}pre") or "default") if model == BYTE_LEVEL else ""
    by_default = _SENTENCEPIECE_IDS if model == SENTENCEPIECE else {}
    ids = _ids(metadata, by_default, len(tokens))
    return GgufVocabulary(
        model=str(model),
        pre_type=pre_type,
        tokens=tokens,
        kinds=_kinds(metadata, len(tokens), where),
        scores=_scores(metadata, len(tokens), where) if model == SENTENCEPIECE else (),
        merges=_merges(metadata, where) if model == BYTE_LEVEL else (),
        roles={role: ids[key] for role, key in _ROLES.items() if key in ids},
        end_ids=tuple(dict.fromkeys(ids[key] for key in _ENDS if key in ids)),
        adds_beginning=_flag(
            metadata, "add_bos_token", model == SENTENCEPIECE or pre_type in _BEGINS_UNASKED
        ),
        adds_end=_flag(metadata, "add_eos_token", by_default=False),
        adds_space=_flag(metadata, "add_space_prefix", model == SENTENCEPIECE),
        strips_behind_special=_is_phi3(metadata),
        templates=_templates(metadata),
    )


def _tokens(metadata: JsonObject, where: str) -> tuple[str, ...]:
    listed = metadata.get(f"{_PREFIX}tokens")
    if not isinstance(listed, list) or not listed:
        raise CheckpointError(
            "lists no tokens (tokenizer.ggml.tokens)",
            where=where,
            next_step="name the checkpoint that the GGUF was made from",
        )
    tokens = tuple(str(token) or f"[EMPTY_{number}]" for number, token in enumerate(listed))
    if len(set(tokens)) != len(tokens):
        twice = Counter(tokens).most_common(1)[0][0]
        raise CheckpointError(
            f"lists the token {twice[:100]!r} twice",
            where=where,
            next_step="name the checkpoint that the GGUF was made from",
        )
    return tokens


def _ids(metadata: JsonObject, by_default: Mapping[str, int], size: int) -> dict[str, int]:
    """Return special ids by key; as in llama.cpp, one outside the vocabulary counts as not given."""
    ids = {key: number for key, number in by_default.items() if number < size}
    for key in (*_ROLES.values(), *_ENDS):
        given = metadata.get(f"{_PREFIX}{key}")
        if isinstance(given, int) and 0 <= given < size:
            ids[key] = given
    return ids


def _kinds(metadata: JsonObject, size: int, where: str) -> tuple[int, ...]:
    listed = metadata.get(f"{_PREFIX}token_type")
    if listed is None:
        return (TokenKind.NORMAL,) * size
    return tuple(
        kind if isinstance(kind, int) else TokenKind.NORMAL
        for kind in _as_long(listed, size, "token_type", where)
    )


def _scores(metadata: JsonObject, size: int, where: str) -> tuple[float, ...]:
    listed = _as_long(metadata.get(f"{_PREFIX}scores"), size, "scores", where)
    return tuple(float(score) if isinstance(score, int | float) else 0.0 for score in listed)


def _as_long(listed: JsonValue, size: int, key: str, where: str) -> list[JsonValue]:
    if not isinstance(listed, list) or len(listed) < size:
        raise CheckpointError(
            f"has {size} tokens and not as many {_PREFIX}{key}",
            where=where,
            next_step="fetch or convert the file again",
        )
    return listed[:size]


def _merges(metadata: JsonObject, where: str) -> tuple[tuple[str, str], ...]:
    """Return pairs in the order of their ranks; the first space behind the first letter cuts, as there."""
    listed = metadata.get(f"{_PREFIX}merges")
    if not isinstance(listed, list):
        raise CheckpointError(
            "lists no merges (tokenizer.ggml.merges)",
            where=where,
            next_step="name the checkpoint that the GGUF was made from",
        )
    cuts = ((str(merge), str(merge).find(" ", 1)) for merge in listed)
    return tuple((merge[:at], merge[at + 1 :]) for merge, at in cuts if at > 0)


def _flag(metadata: JsonObject, key: str, by_default: bool) -> bool:
    given = metadata.get(f"{_PREFIX}{key}")
    return given if isinstance(given, bool) else by_default


def _is_phi3(metadata: JsonObject) -> bool:
    """Whether llama.cpp strips spaces behind special tokens: it does so for models called Phi-3."""
    name = str(metadata.get("general.name") or "").lower()
    return "phi-3" in name or "phi3" in name


def _templates(metadata: JsonObject) -> dict[str, str]:
    named = {
        DEFAULT if key == _TEMPLATE else key.removeprefix(f"{_TEMPLATE}."): text
        for key, text in metadata.items()
        if key == _TEMPLATE or key.startswith(f"{_TEMPLATE}.")
    }
    return {name: text for name, text in named.items() if isinstance(text, str)}
