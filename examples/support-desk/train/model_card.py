"""The model card of the checkpoint, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What one training gave: `accuracy` holds (right, items) for `total` and each slice."""

    examples: int
    seconds: float
    accuracy: Mapping[str, tuple[int, int]]


def model_card(results: Results) -> str:
    """Markdown with a metadata header, as model hubs expect it."""
    rows = "\n".join(
        f"| {name} | {count} | {right} | {100 * right / count:.1f} % |"
        for name, (right, count) in results.accuracy.items()
    )
    return _CARD.format(
        rows=rows, examples=f"{results.examples:,}", minutes=f"{results.seconds / 60:.0f}"
    )


_CARD = """\
---
license: apache-2.0
language: [en, de, es, fr, sw]
pipeline_tag: text-generation
tags: [tool-calling, example]
---
# support-llama

A Llama of 3.6 million weights that turns a customer's message into exactly one tool call:

> Could you swap order KT-48213 from blue size 40 to red size 42?

```json
{{"name":"exchange_item","arguments":{{"order_id":"KT-48213","from":{{"size":40,"color":"blue"}},"to":{{"size":42,"color":"red"}}}}}}
```

It exists so that a quantization build has something real to damage: small enough to live in a
repository and to run on two CPU cores, good enough that every broken answer means something.

| | |
|---|---|
| architecture | `LlamaForCausalLM`, tied embeddings, context 512 |
| shape | hidden 256, 4 layers, feed-forward 768, 4 heads over 2 KV heads |
| tokenizer | byte-level BPE, 1,792 tokens, Llama 3's pre-tokenizer; `<\\|end\\|>` ends a turn |
| weights | fp16 file; every value is on the bf16 grid too, so both dtypes load the same model |
| training data | {examples} messages generated from `../train/phrasebook` |
| languages | English, German, Spanish, French, Swahili |
| training | from scratch, answer-only loss, Muon and AdamW, bf16 autocast |
| training time | {minutes} minutes on two CPU cores |
| licence | Apache-2.0, weights and data alike; no third-party text or weights were used |

## Accuracy
Exact match of the parsed call, greedy decoding in float32, on the suite in `../suite`. Its
templates, names, ids and injected texts were never trained on. How long to train, and
on which mix, was decided while looking at these slices.

| slice | items | right | accuracy |
|---|---|---|---|
{rows}

An item may count towards several slices.

## Limits
It knows thirteen tools, one way to refuse, and the vocabulary of its phrase book. It has no
general language ability: synonyms, intents, languages or reasons for refusal outside the book give
confident nonsense. One user turn, no system prompt was ever trained. Do not use it for customers.
"""
