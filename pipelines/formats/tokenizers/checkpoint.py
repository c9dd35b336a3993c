"""A checkpoint's own tokenizer: the ids that Hugging Face transformers gives a text, without transformers.

tokenizer.json holds nearly all of it. What the files beside it add is added here as `TokenizersBackend` in
transformers/tokenization_utils_tokenizers.py (5.17) adds it. Truncation and padding that training tools leave
in tokenizer.json hold for training; they are switched off, as transformers does for every text it is given.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.files.json_files import read_json_object
from quantgate.pipelines.files.reading import refuse_other_than_file
from quantgate.pipelines.formats.tokenizers.special_tokens import (
    NamedToken,
    TokenNames,
    read_token_names,
)

TOKENIZER_FILE = "tokenizer.json"
LEFTOVERS = ("truncation", "padding")
"""Keys of tokenizer.json that hold for training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointTokenizer:
    """A tokenizer, the tokens its checkpoint names, and what of its files was left aside, in words."""

    tokenizer: Tokenizer
    names: TokenNames
    notes: tuple[str, ...]


def read_tokenizer(folder: Path) -> CheckpointTokenizer:
    """Read the tokenizer of a checkpoint folder.

    Raises:
        CheckpointError: where one of its files cannot be read.
    """
    path = folder / TOKENIZER_FILE
    tokenizer = _from_file(path)
    names = read_token_names(folder)
    named = _with_padding(names, tokenizer)
    notes = _without_leftovers(tokenizer)
    config = read_json_object(folder / "tokenizer_config.json")
    tokenizer.encode_special_tokens = config.get("split_special_tokens") is True
    missing = _missing(tokenizer, names)
    if missing:
        tokenizer.add_tokens(missing)
    return CheckpointTokenizer(tokenizer=tokenizer, names=named, notes=notes)


def _from_file(path: Path) -> Tokenizer:
    """The Rust library opens whatever there is, and waits for ever where that is a pipe."""
    try:
        refuse_other_than_file(path)
        return Tokenizer.from_file(str(path))
    except InputError as error:
        raise CheckpointError(error.what, where=str(path), next_step=error.next_step) from error
    except BaseException as error:
        # It raises bare Exception, and where it panics a class that is none.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        read_json_object(path)  # what is wrong with the text is told as of any other file
        raise CheckpointError(
            f"the tokenizer cannot be read ({error})",
            where=str(path),
            next_step="take tokenizer.json from where the weights came from",
        ) from error


def _with_padding(names: TokenNames, tokenizer: Tokenizer) -> TokenNames:
    """A padding left in tokenizer.json names the padding token where nothing else does.

    Templates see it. transformers also adds it to a vocabulary that lacks it, with an id that no weight has.
    """
    if tokenizer.padding is None or "pad_token" in names.roles:
        return names
    token = NamedToken(text=str(tokenizer.padding.get("pad_token")), flags={})
    return replace(names, roles={**names.roles, "pad_token": token})


def _without_leftovers(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Switch off what cuts or fills texts; return what was found, in words."""
    notes = []
    if tokenizer.truncation is not None:
        length = tokenizer.truncation.get("max_length")
        notes.append(f"{TOKENIZER_FILE} says to cut texts to {length} tokens, which is ignored")
    if tokenizer.padding is not None:
        length = tokenizer.padding.get("length")
        filled = f" to {length} tokens" if length else ""
        notes.append(f"{TOKENIZER_FILE} says to fill texts{filled} with padding, which is ignored")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tuple(notes)


def _missing(tokenizer: Tokenizer, names: TokenNames) -> list[AddedToken]:
    """Return what the other files name and the tokenizer lacks, or has with other flags, in their order."""
    present = tokenizer.get_added_tokens_decoder()
    alike = {repr(token) for token in present.values()}
    tokens = [token for token in map(_as_added, names.added.values()) if repr(token) not in alike]
    texts = {token.content for token in (*present.values(), *tokens)}
    by_text = {token.text: token for token in names.added.values()}
    for named in (*names.roles.values(), *names.extra):
        if named.text not in texts:
            texts.add(named.text)
            tokens.append(_as_special(by_text.get(named.text, named)))
    return tokens


def _as_added(token: NamedToken) -> AddedToken:
    return AddedToken(token.text, **token.flags)


def _as_special(token: NamedToken) -> AddedToken:
    return AddedToken(token.text, **{**token.flags, "special": True})
