"""Whether the class that transformers takes for a tokenizer reads prompts as tokenizer.json does.

Since version 5 some classes (`GPT2Tokenizer`, `LlamaTokenizer`, `Qwen2Tokenizer`, …) take vocabulary and
merges from tokenizer.json and build all other steps anew, by rules of their own
(`TokenizersBackend.convert_to_native_format`). Where a checkpoint's steps are others, transformers, and
servers that tokenize with it, read prompts otherwise than the file says and llama.cpp reads it.
"""

from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.files.json_files import read_json_object

_AS_THE_FILE_SAYS = ("PreTrainedTokenizer", "TokenizersBackend")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadText:
    """A prompt's text and ids; `begins` where the tokenizer puts something around it."""

    id: str
    text: str
    token_ids: tuple[int, ...]
    begins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCall:
    """Tokenize JSONL `texts` of `ReadText` with transformers' tokenizer of a checkpoint folder."""

    folder: Path
    texts: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersReading:
    """What came of it: the class that transformers takes, and ids of texts that it reads otherwise.

    `problem` says why transformers has no tokenizer of this folder, if so.
    """

    tokenizer_class: str
    compared: int
    mismatched: tuple[str, ...]
    problem: str = ""

    @property
    def note(self) -> str | None:
        """What is to be told, None where both read alike."""
        if self.problem:
            return f"transformers cannot load its tokenizer, so prompts are not compared: {self.problem}"
        if not self.mismatched:
            return None
        return (
            f"transformers' {self.tokenizer_class} builds steps anew and reads {len(self.mismatched)} of "
            f"{self.compared} prompts otherwise than tokenizer.json, the first is '{self.mismatched[0]}'. "
            "tokenizer.json is used, as llama.cpp does; servers that tokenize with transformers send other "
            'ids unless tokenizer_config.json says `"tokenizer_class": "PreTrainedTokenizerFast"`'
        )


def may_read_otherwise(folder: Path) -> bool:
    """Say whether a checkpoint asks for something else than tokenizer.json as it stands.

    It names another class, another file for some versions (`fast_tokenizer_files`), or another pre-tokenizer
    (`fix_mistral_regex`).
    """
    config = read_json_object(folder / "tokenizer_config.json")
    named = config.get("tokenizer_class")
    if named is None:
        named = read_json_object(folder / "config.json").get("tokenizer_class")
    if isinstance(named, str) and named.removesuffix("Fast") not in _AS_THE_FILE_SAYS:
        return True
    return bool(config.get("fast_tokenizer_files")) or config.get("fix_mistral_regex") is True
