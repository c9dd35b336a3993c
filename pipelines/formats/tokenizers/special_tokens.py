"""Special and added tokens as a checkpoint's files name them, by the precedence of Hugging Face transformers.

Source: `PreTrainedTokenizerBase._from_pretrained` and `__init__` in transformers/tokenization_utils_base.py
(5.17). Standard library only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.files.json_files import read_json_object

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_EXTRA = "extra_special_tokens"
_EXTRA_BEFORE = "additional_special_tokens"
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedToken:
    """A token's text, and the flags that were written beside it: none where it is a plain text."""

    text: str
    flags: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenNames:
    """What files beside tokenizer.json say of tokens.

    `roles` are those with a name of their own (`bos_token`, `image_token`, …), which templates read;
    `extra` are further special ones, `added` all that were added to the vocabulary, by id.
    """

    roles: Mapping[str, NamedToken]
    extra: tuple[NamedToken, ...]
    added: Mapping[int, NamedToken]

    @property
    def texts(self) -> dict[str, str]:
        """Texts by role."""
        return {role: token.text for role, token in self.roles.items()}


def read_token_names(folder: Path) -> TokenNames:
    """Read tokenizer_config.json and, where it lists no added tokens, the two files of former versions.

    `special_tokens_map.json` then wins over tokenizer_config.json; `added_tokens.json` adds texts by id.

    Raises:
        CheckpointError: where one of these files is not JSON.
    """
    config = read_json_object(folder / "tokenizer_config.json")
    if isinstance(config.get("added_tokens_decoder"), dict):
        return token_names(config)
    more = _extended(config, read_json_object(folder / "special_tokens_map.json"))
    names = token_names({**config, **more})
    special = {token.text for token in (*names.roles.values(), *names.extra)}
    numbered = _numbered(read_json_object(folder / "added_tokens.json"), special)
    return replace(names, added=numbered)


def token_names(config: JsonObject) -> TokenNames:
    """Return what tokenizer_config.json alone says."""
    return TokenNames(
        roles=dict(_roles(config)),
        extra=_extra(config.get(_EXTRA, config.get(_EXTRA_BEFORE))),
        added=_listed(config.get("added_tokens_decoder")),
    )


def _roles(config: JsonObject) -> Iterator[tuple[str, NamedToken]]:
    for role in ROLES:
        if token := _token(config.get(role)):
            yield role, token
    for key, value in config.items():
        if key.endswith("_token") and key not in ROLES and (token := _token(value)):
            yield key, token
    for named in (config.get(_EXTRA), config.get("model_specific_special_tokens")):
        for key, value in named.items() if isinstance(named, dict) else ():
            if token := _token(value):
                yield key, token


def _extended(config: JsonObject, special: JsonObject) -> JsonObject:
    """Return special_tokens_map.json as it is laid over tokenizer_config.json: lists are put together."""
    before = config.get(_EXTRA) or config.get(_EXTRA_BEFORE)
    more = special.get(_EXTRA)
    if isinstance(more, list):
        kept = before if isinstance(before, list) else []
        return special | {_EXTRA: [*kept, *(token for token in more if token not in kept)]}
    return special


def _extra(value: JsonValue) -> tuple[NamedToken, ...]:
    tokens = [_token(entry) for entry in value] if isinstance(value, list) else []
    return tuple(token for token in tokens if token)


def _listed(value: JsonValue) -> dict[int, NamedToken]:
    """Tokens as `added_tokens_decoder` lists them: by id, as text."""
    if not isinstance(value, dict):
        return {}
    tokens = {int(number): _token(entry) for number, entry in value.items() if number.isdigit()}
    return {number: token for number, token in sorted(tokens.items()) if token}


def _numbered(tokens: JsonObject, special: set[str]) -> dict[int, NamedToken]:
    """Tokens as `added_tokens.json` numbers them."""
    named = {
        number: NamedToken(
            text=text,
            flags={"normalized": text not in special, "special": text in special},
        )
        for text, number in tokens.items()
        if isinstance(number, int)
    }
    return dict(sorted(named.items()))


def _token(value: JsonValue) -> NamedToken | None:
    """A token is written as its text, or as an object with its flags."""
    if isinstance(value, str):
        return NamedToken(text=value, flags={})
    if isinstance(value, dict) and isinstance(text := value.get("content"), str):
        flags = {key: bool(value[key]) for key in _FLAGS if key in value}
        return NamedToken(text=text, flags=flags)
    return None
