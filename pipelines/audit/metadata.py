"""Everything an artifact says besides its weights, held against what its base says, key by key.

A vocabulary text, two merges in another order, a context length or a sampling default changes answers and
no weight. So whatever is not named here as a build's own business has to be equal.
"""

from collections.abc import Iterator, Mapping, Sequence

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


def _finding(
    check: str, base: JsonObject, variant: JsonObject, excepted: Mapping[str, str]
) -> AuditFinding:
    changes = list(_changes("", base, variant, excepted))
    shown = "; ".join(changes[:_SHOWN])
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return AuditFinding(
        check=check,
        passed=not changes,
        promised="every key",
        found=f"{shown}{more}" if changes else f"{len(base)} keys equal",
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
