"""Chat templates and tokenizers in the manner of the main families, and conversations for them."""

import json
from collections.abc import Callable
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject

TEMPLATES: dict[str, str] = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parent / "chat_templates").glob("*.jinja"))
}
"""ChatML, header ids, [INST], turns, role tags with ends, bars, command tokens."""

TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell <the> weather & “more”",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "äöü": {}}},
    },
}
_CALL: JsonObject = {
    "id": "call_123456789",
    "type": "function",
    "function": {"name": "weather", "arguments": {"city": "Köln", "days": 3}},
}


def _user(text: str) -> Message:
    return Message(role="user", content=text)


def _assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


_SYSTEM = Message(role="system", content="  Be brief.  ")
_RESULT = Message(role="tool", content='{"sky": "grau"}', tool_call_id="call_123456789")
_CALLING = Message(role="assistant", content="", tool_calls=(_CALL,))

Conversation = tuple[tuple[Message, ...], tuple[JsonObject, ...]]
CONVERSATIONS: dict[str, Conversation] = {
    "user": ((_user("What is 17 + 25?"),), ()),
    "spaces": ((_user("  two  spaces\n\n\tand a tab \n"),), ()),
    "scripts": ((_user("Grüße, 你好 世界! שלום 🙂 e\u0301"),), ()),
    "written tokens": ((_user("say <s> </s> <|im_end|> [INST] <think>"),), ()),
    "empty": ((_user(""),), ()),
    "system": ((_SYSTEM, _user("Hi")), ()),
    "turns": ((_SYSTEM, _user("Hi"), _assistant(" Hello! "), _user("And <b>now</b>?")), ()),
    "answered": ((_user("Hi"), _assistant("Hello")), ()),
    "thoughts": ((_user("Hi"), _assistant("<think>hm</think>Hello"), _user("Why?")), ()),
    "tools": ((_user("Weather in Köln?"),), (TOOL,)),
    "tool result": ((_user("Weather in Köln?"), _CALLING, _RESULT), (TOOL,)),
    "after the tool": ((_user("Weather?"), _CALLING, _RESULT, _assistant("Grey."), _user("Thanks")), (TOOL,)),
}  # fmt: skip

_TEXTS = [
    "What is 17 + 25? Be brief. Hello! And now? Weather in Köln, Grüße", "user assistant system model",
    '{"name": "weather", "arguments": {"city": "Köln"}}', "two  spaces and a tab\n\n", "say why thanks",
] * 8  # fmt: skip
_SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "[INST]"]


def _begin(tokenizer: Tokenizer, *, end: bool = False) -> Tokenizer:
    """Put a beginning-of-sequence before every text, and an end after it where asked."""
    ids = [(text, tokenizer.token_to_id(text)) for text in ("<s>", "</s>")]
    single = "<s> $A </s>" if end else "<s> $A"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=f"{single} $B", special_tokens=ids
    )
    return tokenizer


def _byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}{1,3}|[^\s\p{L}\p{N}]+|\s+"), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=alphabet, special_tokens=_SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return tokenizer


def _prefixed_byte_level() -> Tokenizer:
    tokenizer = _byte_level()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer


def _sentence_piece(prepend: str | None) -> Tokenizer:
    """As converters write SentencePiece: by normalizers before 2024, by Metaspace since."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if prepend is None:
        steps: list[normalizers.Normalizer] = [
            normalizers.Prepend("▁"), normalizers.Replace(" ", "▁"),
        ]  # fmt: skip
        tokenizer.normalizer = normalizers.Sequence(steps)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    bytes_ = [f"<0x{n:02X}>" for n in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=560, special_tokens=_SPECIAL + bytes_, show_progress=False, max_token_length=9
    )
    tokenizer.train_from_iterator([text.replace(" ", "▁") for text in _TEXTS], trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [
        token for token in content["added_tokens"] if token["content"] in _SPECIAL
    ]
    return Tokenizer.from_str(json.dumps(content))


def _unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=_SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    return tokenizer


def _word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(_TEXTS, trainers.WordLevelTrainer(special_tokens=_SPECIAL))
    return tokenizer


def _stripping() -> Tokenizer:
    """Added tokens that take the space beside them, one that is a word of its own, one that is normalized."""
    tokenizer = _byte_level()
    tokenizer.add_tokens(
        [
            AddedToken("<think>", lstrip=True, rstrip=True),
            AddedToken("brief", single_word=True),
            AddedToken("Köln", normalized=True),
        ]
    )
    return tokenizer


def _left_over() -> Tokenizer:
    """What a tool for fine-tuning leaves behind."""
    tokenizer = _begin(_byte_level())
    tokenizer.enable_truncation(4, direction="left")
    tokenizer.enable_padding(direction="left", pad_token="</s>", length=64)
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "byte level": _byte_level,
    "byte level that begins": lambda: _begin(_byte_level()),
    "byte level that begins and ends": lambda: _begin(_byte_level(), end=True),
    "byte level with a prefix space": _prefixed_byte_level,
    "sentencepiece by normalizers": lambda: _begin(_sentence_piece(None)),
    "sentencepiece by metaspace, first": lambda: _begin(_sentence_piece("first")),
    "sentencepiece by metaspace, always": lambda: _begin(_sentence_piece("always")),
    "sentencepiece by metaspace, never": lambda: _sentence_piece("never"),
    "unigram": lambda: _begin(_unigram(), end=True),
    "words": _word_level,
    "tokens that strip": _stripping,
    "left over from training": _left_over,
}

CONFIGURATIONS: dict[str, JsonObject] = {
    "plain": {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "<|eot_id|>"},
    "flags that tokenizer.json overrules": {
        "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": True,
        "add_prefix_space": True, "model_max_length": 3, "truncation_side": "left",
        "padding_side": "left", "clean_up_tokenization_spaces": True,
    },
    "tokens as objects": {
        "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False, "rstrip": False,
                      "normalized": False, "single_word": False, "special": True},
        "eos_token": "</s>",
    },
    "more special tokens": {
        "bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<think>", "</think>"],
        "image_token": "<image>", "cls_token": "[CLS]", "mask_token": "<mask>",
    },
    "added tokens by id": {
        "bos_token": "<s>", "eos_token": "</s>",
        "added_tokens_decoder": {
            "3000": {"content": "Grüße", "lstrip": False, "normalized": False, "rstrip": True,
                     "single_word": False, "special": False},
        },
    },
    "special tokens split": {"bos_token": "<s>", "eos_token": "</s>", "split_special_tokens": True},
}  # fmt: skip


def write_family(
    folder: Path, tokenizer: Tokenizer, configuration: JsonObject, template: str | None
) -> Path:
    """Write a folder that transformers and we read alike; no template where it is None."""
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    config: JsonObject = {"tokenizer_class": "PreTrainedTokenizerFast", **configuration}
    if template is not None:
        config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
