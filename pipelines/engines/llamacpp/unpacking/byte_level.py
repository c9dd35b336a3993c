"""A byte-level vocabulary of a GGUF file as the model of a tokenizer.json.

Format: `Tokenizer.to_str` of the tokenizers library 0.23.
"""

from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import JsonObject, JsonValue
from quantgate.pipelines.engines.llamacpp.pretypes import PRE_TYPES, rules_of, written_rules
from quantgate.pipelines.engines.llamacpp.unpacking.vocabulary import GgufVocabulary


def byte_level_parts(vocabulary: GgufVocabulary, where: str) -> JsonObject:
    """Return normalizer, pre_tokenizer, model and decoder of a tokenizer.json.

    llama.cpp normalizes nothing. A merge whose parts or result are no tokens is left out: the library refuses
    to load it, and llama.cpp falls back to bytes there.

    Raises:
        CheckpointError: where the table has no rules under the file's name for them.
    """
    row = rules_of(vocabulary.pre_type)
    if row is None:
        names = ", ".join(sorted(name for each in PRE_TYPES for name in (each.name, *each.aliases)))
        raise CheckpointError(
            f"cuts text into pieces by rules that have no equal here (tokenizer.ggml.pre is "
            f"'{vocabulary.pre_type[:100]}')",
            where=where,
            next_step=f"name the checkpoint that the GGUF was made from; known are {names}",
        )
    ids: dict[str, JsonValue] = {
        token: number
        for number, token in enumerate(vocabulary.tokens)
        if not vocabulary.is_padding(number)
    }
    merges: list[JsonValue] = [
        [left, right]
        for left, right in vocabulary.merges
        if left in ids and right in ids and left + right in ids
    ]
    return {
        "normalizer": None,
        "pre_tokenizer": written_rules(row),
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": row.ignore_merges,
            "vocab": ids,
            "merges": merges,
        },
    }
