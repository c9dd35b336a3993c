"""What somebody else made is held against the base, and its word on its making against nothing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.audit.foreign import (
    audit_coverage,
    audit_foreign_template,
    audit_making,
    audit_types,
)
from quantgate.pipelines.audit.metadata import (
    audit_foreign_configuration,
    audit_foreign_metadata,
)
from quantgate.pipelines.audit.rulers import ruler_of
from quantgate.pipelines.domain.foreign import ForeignOptions, ServedTemplate
from quantgate.pipelines.domain.recipe import Format, Numerics, Recipe
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.domain.verdicts.ruler import Grid
from quantgate.pipelines.engines.contents import Contents, gguf_contents
from quantgate.pipelines.engines.written import written_tensors
from quantgate.pipelines.files.store import Store
from tests.support.llamacpp.gguf_writing import Shapes, write_gguf
from tests.support.models.foreign import SAID, planned, shapes, write_quant


@pytest.fixture
def recipe(tmp_path: Path, store: Store) -> Recipe:
    return planned(write_quant(tmp_path / "demo-Q8_0.gguf"), store=store)[0]


def contents(folder: Path, tensors: Shapes) -> Contents:
    return gguf_contents(write_gguf(folder / "any.gguf", SAID, tensors))


def coverage(folder: Path, base: Shapes, variant: Shapes) -> str:
    held, other = contents(folder, base), contents(folder, variant)
    finding = audit_coverage(Format.GGUF, held, other, ())
    assert finding.passed == (finding.found == "all, and nothing else")
    return finding.found


def test_a_quant_has_every_tensor_of_its_base_in_its_shape(tmp_path: Path) -> None:
    base = shapes("F16")
    assert coverage(tmp_path, base, shapes()) == "all, and nothing else"
    name = "blk.1.ffn_up.weight"
    fewer = {key: kind for key, kind in shapes().items() if key != name}
    assert coverage(tmp_path, base, fewer) == f"{name} is missing"
    other = {**shapes(), name: ("Q8_0", (128, 256))}
    assert coverage(tmp_path, base, other) == f"{name} is 128 x 256, not 256 x 128"


def test_a_tensor_more_is_the_base_s_head_or_a_scale_or_a_stranger(tmp_path: Path) -> None:
    base = shapes("F16")
    head: Shapes = {**shapes(), "output.weight": shapes()["token_embd.weight"]}
    assert coverage(tmp_path, base, head) == "all, and nothing else"
    scaled: Shapes = {**shapes(), "blk.0.ffn_up.scale": ("F32", (1,))}
    assert coverage(tmp_path, base, scaled) == "all, and nothing else"
    strange: Shapes = {**shapes(), "blk.0.attn_q.bias": ("F32", (128,))}
    assert coverage(tmp_path, base, strange) == "blk.0.attn_q.bias is no tensor of the base"
    wide: Shapes = {**shapes(), "output.weight": ("Q8_0", (257, 256))}
    assert coverage(tmp_path, base, wide) == "output.weight is no tensor of the base"


def test_types_are_said_and_some_have_to_be_low_bit(tmp_path: Path) -> None:
    held = contents(tmp_path, shapes("Q4_0", token_embd="Q8_0"))
    finding = audit_types(written_tensors(Format.GGUF, (), held.tensors, Path()))
    assert finding.passed
    assert "Q4_0 x 14, F32 x 5, Q8_0 x 1" in finding.found
    held = contents(tmp_path, shapes("F16"))
    assert not audit_types(written_tensors(Format.GGUF, (), held.tensors, Path())).passed


def test_claims_are_repeated_as_claims(recipe: Recipe) -> None:
    options = recipe.options
    assert isinstance(options, ForeignOptions)
    finding = audit_making(options)
    assert finding.passed
    assert finding.promised == "unknown: somebody else made it"
    assert finding.found == "it claims: general.file_type: Q8_0; general.name: Demo"
    assert audit_making(replace(options, claims=())).found == "it claims nothing"


@pytest.mark.parametrize(
    ("template", "served_with", "passes", "says"),
    [
        ("{{ messages }}", "own", True, "equal"),
        ("{{ messages }}\n", "own", True, "equal"),
        ("{{ other }}", "own", False, "differs: serve it with the base's"),
        ("{{ other }}", "base", True, "differs: serve it with the base's"),
        ("", "own", True, "it has none: serve it with the base's"),
    ],
)
def test_another_chat_template_is_refused_unless_it_is_served_with_the_base_s(
    template: str, served_with: ServedTemplate, passes: bool, says: str, recipe: Recipe
) -> None:
    assert isinstance(recipe.options, ForeignOptions)
    options = replace(recipe.options, template=served_with)
    finding = audit_foreign_template(options, "{{ messages }}", template)
    assert (finding.passed, finding.found.startswith(says)) == (passes, True)


BASE: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "base",
    "llama.context_length": 512,
    "llama.rope.freq_base": 10000.0,
    "llama.attention.key_length": 64,
    "tokenizer.ggml.pre": "llama-bpe",
    "tokenizer.ggml.tokens": ["a", "b"],
    "tokenizer.ggml.token_type": [1, 1],
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.ggml.padding_token_id": 0,
}


def gguf(metadata: Mapping[str, Any]) -> Contents:
    return Contents(
        tensors=(), file_type=7, quantization={}, stop_token_ids=(), metadata=dict(metadata)
    )


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({"general.name": "another", "general.quantized_by": "me"}, True),
        ({"tokenizer.ggml.token_type": [1, 4], "tokenizer.ggml.padding_token_id": 1}, True),
        ({"llama.attention.key_length": None}, True),
        ({"llama.attention.value_length": 64}, True),
        ({"llama.context_length": 4096}, False),
        ({"llama.rope.freq_base": 500000.0}, False),
        ({"tokenizer.ggml.tokens": ["a", "c"]}, False),
        ({"tokenizer.ggml.eos_token_id": 0}, False),
        ({"general.architecture": "qwen2"}, False),
    ],
)
def test_what_decides_the_model_is_held_where_both_say_it(
    changed: dict[str, Any], passes: bool
) -> None:
    said = {key: value for key, value in {**BASE, **changed}.items() if value is not None}
    finding = audit_foreign_metadata(gguf(BASE), gguf(said))
    assert finding.passed == passes
    assert next(iter(changed)) in finding.found


def test_of_many_keys_that_decide_nothing_three_are_named() -> None:
    more = {f"general.tag{number}": "x" for number in range(9)}
    finding = audit_foreign_metadata(gguf(BASE), gguf({**BASE, **more}))
    assert finding.found == (
        "6 keys equal; no matter of the model: general.tag0, general.tag1, general.tag2 and 6 more"
    )


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({"pad_token_id": 7, "transformers_version": "4.51"}, True),
        ({"some_new_key": 1}, True),
        ({"rope_theta": 5.0}, False),
        ({"eos_token_id": 3}, False),
    ],
)
def test_a_configuration_is_held_where_both_say_something(
    changed: dict[str, Any], passes: bool
) -> None:
    base: JsonObject = {
        "rope_theta": 1.0,
        "eos_token_id": 2,
        "pad_token_id": None,
        "transformers_version": "5",
    }
    assert audit_foreign_configuration(base, {**base, **changed}).passed == passes
    assert audit_foreign_configuration(base, {}).passed


def test_a_gguf_is_held_against_its_main_type(recipe: Recipe) -> None:
    assert ruler_of(recipe).label == "Q8_0"
    options = replace(recipe.options, main_type="IQ3_S")  # type: ignore[arg-type]
    assert ruler_of(replace(recipe, options=options, kv_cache="q8_0")).label == "IQ3_S, KV q8_0"


FP8 = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}
TOKENS = {**FP8, "strategy": "token", "dynamic": True}


def folders() -> Iterator[tuple[dict[str, Any], str, Grid | None, Grid | None]]:
    group = {"weights": FP8, "input_activations": TOKENS}
    yield (
        {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}},
        "W8f",
        Grid(values="e4m3", shared_by="row"),
        Grid(values="e4m3", shared_by="row"),
    )
    integers = Grid(values="integer", shared_by="group", size=64, bits=4, zero_point=True)
    yield (
        {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True},
        "W4",
        integers,
        None,
    )
    symmetric = replace(integers, zero_point=False)
    yield {"quant_method": "gptq", "bits": 4, "group_size": 64, "sym": True}, "W4", symmetric, None
    strange = {"num_bits": 3, "type": "int", "strategy": "spiral"}
    yield (
        {"config_groups": {"group_0": {"weights": strange}}},
        "W3",
        Grid(values="integer", shared_by="group", size=128, bits=3),
        None,
    )


@pytest.mark.parametrize(("said", "bits", "weights", "activations"), tuple(folders()))
def test_a_folder_is_held_against_the_grids_it_declares(
    said: dict[str, Any],
    bits: str,
    weights: Grid,
    activations: Grid | None,
    recipe: Recipe,
) -> None:
    options = replace(recipe.options, quantization=json.dumps(said))  # type: ignore[arg-type]
    numerics = Numerics(weights=bits, activations="A16", kv_cache="KV16")
    ruler = ruler_of(replace(recipe, options=options, numerics=numerics))
    assert (ruler.weights, ruler.activations) == (weights, activations)
