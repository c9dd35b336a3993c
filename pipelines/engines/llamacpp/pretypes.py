"""How llama.cpp names the ways tokenizers cut text into pieces before merging.

llama.cpp recognises a tokenizer by the ids it gives one sentence, so every custom vocabulary is unknown
to it, however ordinary its rules. Here the rules themselves are compared: the `pre_tokenizer` of
tokenizer.json in canonical form against a reviewed table. Names and rules are those of
src/llama-vocab.cpp (`llm_tokenizer_bpe`); every row is proven by token-id parity in
tests/integration/engines/llamacpp/test_pretypes.py. A wrong row would be silent in text, so what is not in
the table is refused, and token-id parity is gated over corpus and suite besides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantgate.pipelines.domain.values import JsonValue, canonical_json
from quantgate.pipelines.files.json_files import read_json_object

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3_REGEX = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}"
QWEN2_REGEX = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}"
QWEN35_REGEX = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2_REGEX = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# llama.cpp has no classes of upper and lower case: letters that are not the other case of ASCII stand for
# them. Combining marks, which the models' own expressions take for letters, are none there.
_UPPER, _LOWER = r"((?=[\p{L}])([^a-z]))", r"((?=[\p{L}])([^A-Z]))"
_ENDINGS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
_TAIL_WITH_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN_REGEX = (
    rf"{_BEFORE}{_UPPER}*{_LOWER}+|{_BEFORE}{_UPPER}+{_LOWER}*|\p{{N}}|{_TAIL_WITH_SLASH}"
)
GPT4O_REGEX = (
    rf"{_BEFORE}{_UPPER}*{_LOWER}+{_ENDINGS}?|{_BEFORE}{_UPPER}+{_LOWER}*{_ENDINGS}?"
    rf"|\p{{N}}{{1,3}}|{_TAIL_WITH_SLASH}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreType:
    """One row: llama.cpp's name, the rules it implements and whether whole words skip the merges.

    `aliases` are further names under which llama.cpp has these very rules.
    """

    name: str
    pre_tokenizer: list[JsonValue]
    ignore_merges: bool
    aliases: tuple[str, ...] = ()


def _byte_level(*, use_regex: bool) -> JsonValue:
    return {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}


def _split(*regexes: str) -> list[JsonValue]:
    """Cut by each expression in turn, every piece of what the one before left."""
    cuts: list[JsonValue] = [
        {"type": "Split", "regex": regex, "behavior": "Isolated"} for regex in regexes
    ]
    return [*cuts, _byte_level(use_regex=False)]


PRE_TYPES: tuple[PreType, ...] = (
    PreType(
        name="gpt-2",
        pre_tokenizer=[_byte_level(use_regex=True)],
        ignore_merges=False,
        aliases=(
            "phi-2", "mpt", "olmo", "jais", "exaone4", "trillion", "granite-docling", "gigachat",
            "a.x-4.0", "mellum", "modern-bert", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
        ),
    ),
    PreType(
        name="llama-bpe",
        pre_tokenizer=_split(LLAMA3_REGEX),
        ignore_merges=True,
        aliases=(
            "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
            "jina-v5-nano", "glm4", "glm5",
        ),
    ),
    PreType(
        name="smaug-bpe",
        pre_tokenizer=_split(LLAMA3_REGEX),
        ignore_merges=False,
        aliases=("dbrx", "chatglm-bpe"),
    ),
    PreType(
        name="qwen2",
        pre_tokenizer=_split(QWEN2_REGEX),
        ignore_merges=False,
        aliases=(
            "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "megrez", "hunyuan", "solar-open",
            "grok-2",
        ),
    ),
    PreType(
        name="qwen35", pre_tokenizer=_split(QWEN35_REGEX), ignore_merges=False
    ),
    PreType(
        name="smollm",
        pre_tokenizer=[
            {"type": "Digits", "individual_digits": True},
            _byte_level(use_regex=True),
        ],
        ignore_merges=False,
        aliases=(
            "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
        ),
    ),
    PreType(
        name="default",
        pre_tokenizer=_split(r"[\p{P}\$\+<=>\^~\|]+", GPT2_REGEX, r"\p{N}+", "[0-9][0-9][0-9]"),
        ignore_merges=False,
    ),
    PreType(
        name="falcon",
        pre_tokenizer=_split(r"[\p{P}\$\+<=>\^~\|`]+", GPT2_REGEX, "[0-9][0-9][0-9]"),
        ignore_merges=False,
    ),
    PreType(
        name="deepseek-v3",
        pre_tokenizer=_split(
            r"\p{N}{1,3}",
            "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        ignore_merges=False,
        aliases=("hunyuan-dense", "joyai-llm", "hy_v4"),
    ),
    PreType(name="tekken", pre_tokenizer=_split(TEKKEN_REGEX), ignore_merges=True),
    PreType(
        name="gpt-4o",
        pre_tokenizer=_split(GPT4O_REGEX),
        ignore_merges=False,
        aliases=("llama4", "kanana2", "talkie", "minimax-m2"),
    ),
)  # fmt: skip


def rules_of(name: str) -> PreType | None:
    """Return the row of llama.cpp's name for a way to cut text, None where the table has none."""
    return next((row for row in PRE_TYPES if name in (row.name, *row.aliases)), None)


def written_rules(row: PreType) -> JsonValue:
    """Return a row's rules as `pre_tokenizer` of a tokenizer.json: what `match_pretype` reads."""
    steps = [_written_step(step) for step in row.pre_tokenizer]
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}


def _written_step(step: JsonValue) -> JsonValue:
    if not isinstance(step, dict) or step.get("type") == "Digits":
        return step
    if step.get("type") == "ByteLevel":
        return {**step, "trim_offsets": True}
    pattern: JsonValue = {"Regex": step.get("regex")}
    return {"type": "Split", "pattern": pattern, "behavior": step.get("behavior"), "invert": False}


def match_pretype(tokenizer: Mapping[str, JsonValue]) -> str | None:
    """Return llama.cpp's name for a tokenizer.json's rules, or None where no row of the table is them.

    A Unicode NFC normalizer is let through, as upstream does for Qwen: llama.cpp applies none, and text
    that is not NFC shows in the parity check.
    """
    model = tokenizer.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE" or model.get("byte_fallback"):
        return None
    if any(model.get(key) for key in ("continuing_subword_prefix", "end_of_word_suffix")):
        return None
    if tokenizer.get("normalizer") not in (None, {"type": "NFC"}):
        return None
    rules = canonical_json(_canonical(tokenizer.get("pre_tokenizer")))
    for row in PRE_TYPES:
        if (
            canonical_json(row.pre_tokenizer) == rules
            and bool(model.get("ignore_merges")) == row.ignore_merges
        ):
            return row.name
    return None


def _canonical(pre_tokenizer: JsonValue) -> JsonValue:
    """Return the list of steps with only what decides where text is cut."""
    if not isinstance(pre_tokenizer, dict):
        return None
    if pre_tokenizer.get("type") == "Sequence":
        steps = pre_tokenizer.get("pretokenizers")
        return [_step(step) for step in steps] if isinstance(steps, list) else None
    return [_step(pre_tokenizer)]


def _step(step: JsonValue) -> JsonValue:
    if not isinstance(step, dict):
        return step
    if step.get("type") == "ByteLevel":
        return {
            "type": "ByteLevel",
            "add_prefix_space": bool(step.get("add_prefix_space")),
            "use_regex": bool(step.get("use_regex", True)),
        }
    if step.get("type") == "Split":
        return _split_step(step)
    return step


def _split_step(step: dict[str, JsonValue]) -> JsonValue:
    """Return a Split's regex; removing what does *not* match is isolating, for rules that match all text."""
    pattern = step.get("pattern")
    regex = pattern.get("Regex") if isinstance(pattern, dict) else None
    behavior, invert = step.get("behavior"), bool(step.get("invert"))
    if (behavior, invert) in (("Isolated", False), ("Removed", True)):
        return {"type": "Split", "regex": regex, "behavior": "Isolated"}
    return {"type": "Split", "regex": regex, "behavior": behavior, "invert": invert}


def byte_fallback_hint(folder: Path) -> str | None:
    """Return what to do about a byte-level tokenizer.json that says `byte_fallback`; None where it does not.

    Such pieces stand for bytes already. The converter takes `byte_fallback` for SentencePiece, whose
    vocabularies have `<0x0A>` for a line's end.
    """
    tokenizer = read_json_object(folder / "tokenizer.json")
    model = tokenizer.get("model")
    if not isinstance(model, dict) or model.get("byte_fallback") is not True:
        return None
    if "ByteLevel" not in canonical_json(tokenizer.get("pre_tokenizer")):
        return None
    return (
        'set "byte_fallback" to false in tokenizer.json: its pieces are byte-level, and llama.cpp\'s '
        "converter takes it for SentencePiece otherwise"
    )
