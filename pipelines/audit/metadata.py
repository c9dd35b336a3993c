"""Everything an artifact says besides its weights, held against what its base says, key by key.

A vocabulary text, two merges in another order, a context length or a sampling default changes answers and
no weight. So whatever is not named here as a build's own business has to be equal.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.engines.contents import Contents

_SHOWN = 3
_LONGEST_SHOWN = 60

_OF_A_BUILD: Mapping[str, str] = {
    "general.file_type": "the label, held against the recipe on its own",
    "general.quantization_version": "the version of ggml's quantization, written by whatever quantizes",
    "quantize.imatrix.file": "says which importance matrix weighed errors",
    "quantize.imatrix.dataset": "says what that matrix was computed on",
    "quantize.imatrix.entries_count": "says how large that matrix is",
    "quantize.imatrix.chunks_count": "says how much it was computed on",
    "generation_config.json.eos_token_id": "ids that end an answer are a finding of their own",
    "generation_config.json.transformers_version": "who wrote the file",
    "tokenizer_config.json.transformers_version": "who wrote the file",
    "tokenizer_config.json.name_or_path": "where the file once came from",
}
"""Keys in which a sound variant may differ from its base, each with the reason."""

_OF_A_FOLDER: Mapping[str, str] = {
    "_name_or_path": "where it was loaded from",
    "transformers_version": "who wrote the file",
    "dtype": "what its unquantized weights are stored as",
    "torch_dtype": "what its unquantized weights are stored as",
    "quantization_config": "the label, held against the recipe on its own",
    "compression_config": "an older name of the label",
    "use_cache": "whether keys and values are kept while answering, which changes no answer",
}
"""Keys of config.json likewise."""

_OF_WHOEVER_SAVED_IT = ("pad_token_id", "architectures", "unsloth_fixed", "unsloth_version")
"""Keys of config.json in which a quant of others may differ as well: nothing is padded with a token."""

_ARCHITECTURE = "general.architecture"
_OF_THE_MODEL = re.compile(
    r"general\.architecture|(?!general\.|tokenizer\.|quantize\.|split\.).*"
    r"|tokenizer\.ggml\.(model|tokens|merges|add_\w+|(bos|eos|eot|eom)_token_id)"
)
"""Keys of a GGUF that decide what is computed, and how text and answers begin and end."""


def audit_metadata(base: Contents, variant: Contents) -> AuditFinding:
    """Hold a GGUF's keys, or the tokenizer's and generation's files of a folder, against the base's."""
    return _finding("metadata equals the base's", base.metadata, variant.metadata, _OF_A_BUILD)


def audit_configuration(base: JsonObject, variant: JsonObject) -> AuditFinding:
    """Hold config.json, as the engine understood it, against the base's; engines that do not say: equal."""
    both_say = bool(base) and bool(variant)
    return _finding(
        "configuration equals the base's",
        base if both_say else {},
        variant if both_say else {},
        _OF_A_FOLDER,
    )


def audit_foreign_metadata(base: Contents, variant: Contents) -> AuditFinding:
    """Hold what a GGUF of others says of the model against the base, where both say it.

    Converters of other days leave keys out and add some, and whoever made it signs it. What its tokenizer
    does is held to token ids, of a folder too, and is no key's business.
    """
    is_gguf = _ARCHITECTURE in base.metadata
    return _where_both_say(
        "metadata equals the base's",
        base.metadata,
        variant.metadata,
        [key for key in base.metadata if is_gguf and _OF_THE_MODEL.fullmatch(key)],
    )


def audit_foreign_configuration(base: JsonObject, variant: JsonObject) -> AuditFinding:
    """Hold config.json, as the engine understood it, against the base's, where both say something."""
    beside = {*_OF_A_FOLDER, *_OF_WHOEVER_SAVED_IT}
    return _where_both_say(
        "configuration equals the base's",
        base if variant else {},
        variant,
        [key for key in base if key not in beside],
    )


def _where_both_say(
    check: str, base: JsonObject, variant: JsonObject, decisive: Sequence[str]
) -> AuditFinding:
    """Hold decisive keys that neither leaves out; name the others that differ, which decide nothing."""
    said = [key for key in decisive if None not in (base.get(key), variant.get(key))]
    changes = [
        change for key in said for change in _changes(key, base[key], variant[key], _OF_A_FOLDER)
    ]
    finding = _found(check, changes, len(said))
    beside = [
        key
        for key in dict.fromkeys((*base, *variant))
        if key not in said and base.get(key) != variant.get(key)
    ]
    if not beside:
        return finding
    named = ", ".join(beside[:_SHOWN])
    more = f" and {len(beside) - _SHOWN} more" if len(beside) > _SHOWN else ""
    return replace(finding, found=f"{finding.found}; no matter of the model: {named}{more}")


def _finding(
    check: str, base: JsonObject, variant: JsonObject, excepted: Mapping[str, str]
) -> AuditFinding:
    return _found(check, list(_changes("", base, variant, excepted)), len(base))


def _found(check: str, changes: Sequence[str], held: int) -> AuditFinding:
    shown = "; ".join(changes[:_SHOWN])
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return AuditFinding(
        check=check,
        passed=not changes,
        promised="every key",
        found=f"{shown}{more}" if changes else f"{held} keys equal",
    )


def _changes(
    place: str, base: object, variant: object, excepted: Mapping[str, str]
) -> Iterator[str]:
    """Yield every place that differs with both values; an absent key and null say the same."""
    if place in excepted or base == variant:
        return
    if isinstance(base, dict | None) and isinstance(variant, dict | None):
        for key in dict.fromkeys((*(base or {}), *(variant or {}))):
            inner = f"{place}.{key}" if place else str(key)
            yield from _changes(inner, (base or {}).get(key), (variant or {}).get(key), excepted)
    elif isinstance(base, list) and isinstance(variant, list):
        yield from _list_changes(place, base, variant, excepted)
    else:
        yield f"{place} is {_spelled(variant)}, not {_spelled(base)}"


def _list_changes(
    place: str, base: Sequence[JsonValue], variant: Sequence[JsonValue], excepted: Mapping[str, str]
) -> Iterator[str]:
    if len(base) != len(variant):
        yield f"{place} has {len(variant)} entries, not {len(base)}"
        return
    for index, (ours, theirs) in enumerate(zip(base, variant, strict=True)):
        yield from _changes(f"{place}[{index}]", ours, theirs, excepted)


def _spelled(value: object) -> str:
    text = "absent" if value is None else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
