"""The label on the file, held against the recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantgate.pipelines.audit.labels import audit_labels
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.engines.contents import Contents
from quantgate.pipelines.engines.llamacpp.types.table import FILE_TYPES
from quantgate.pipelines.formats.gguf.types import FILE_TYPE_NUMBERS
from quantgate.pipelines.formats.safetensors import StoredTensor
from quantgate.pipelines.specs.recipes import find_recipes


def recipe(name: str) -> Recipe:
    return find_recipes((name,), Path())[0]


def gguf(file_type: int, *types: str) -> Contents:
    tensors = tuple(
        StoredTensor(name=f"t{n}", dtype=dtype, shape=(1,), file=Path(), start=0, size_bytes=1)
        for n, dtype in enumerate(types)
    )
    return Contents(tensors=tensors, file_type=file_type, quantization={}, stop_token_ids=())


def folder(quantization: dict[str, Any]) -> Contents:
    return Contents(tensors=(), file_type=-1, quantization=quantization, stop_token_ids=())


def compressed(weights: dict[str, Any], activations: dict[str, Any] | None = None) -> Contents:
    group = {"weights": weights, "input_activations": activations}
    groups = {"group_0": group}
    return folder({"quant_method": "compressed-tensors", "config_groups": groups})


INT4 = {
    "type": "int",
    "num_bits": 4,
    "strategy": "group",
    "group_size": 128,
    "symmetric": True,
    "scale_dtype": None,
}
FP8_WEIGHTS = {"type": "float", "num_bits": 8, "strategy": "channel", "symmetric": True}
FP8_TOKENS = {**FP8_WEIGHTS, "strategy": "token", "dynamic": True}
NVFP4 = {
    "type": "float",
    "num_bits": 4,
    "strategy": "tensor_group",
    "group_size": 16,
    "symmetric": True,
    "scale_dtype": "torch.float8_e4m3fn",
}


def test_every_file_type_that_is_built_has_its_number() -> None:
    assert not set(FILE_TYPES) - set(FILE_TYPE_NUMBERS)
    assert len(set(FILE_TYPE_NUMBERS.values())) == len(FILE_TYPE_NUMBERS)


def test_a_gguf_with_the_right_label_passes() -> None:
    assert audit_labels(recipe("Q4_K_M--imatrix"), gguf(15, "Q4_K")).passed


@pytest.mark.parametrize(("number", "found"), [(17, "Q5_K_M"), (1, "F16"), (-1, "file type -1")])
def test_another_file_type_on_the_label_fails_and_is_named(number: int, found: str) -> None:
    label = audit_labels(recipe("Q4_K_M--imatrix"), gguf(number, "Q4_K"))
    assert not label.passed
    assert label.found == found


def test_a_folder_that_declares_its_scheme_passes() -> None:
    assert audit_labels(recipe("W4A16--gptq"), compressed(INT4)).passed
    assert audit_labels(recipe("FP8_DYNAMIC"), compressed(FP8_WEIGHTS, FP8_TOKENS)).passed
    assert audit_labels(recipe("NVFP4"), compressed(NVFP4, NVFP4)).passed


@pytest.mark.parametrize(
    "changed",
    [
        {"num_bits": 8},
        {"group_size": 64},
        {"symmetric": False},
        {"type": "float"},
        {"strategy": "?"},
    ],
    ids=str,
)
def test_a_folder_that_declares_something_else_fails(changed: dict[str, Any]) -> None:
    assert not audit_labels(recipe("W4A16--gptq"), compressed({**INT4, **changed})).passed


def test_activations_that_are_not_declared_fail() -> None:
    assert not audit_labels(recipe("FP8_DYNAMIC"), compressed(FP8_WEIGHTS)).passed


def test_a_folder_without_any_declaration_fails() -> None:
    label = audit_labels(recipe("W4A16--gptq"), folder({}))
    assert not label.passed
    assert label.found.startswith("no quantization")


def test_a_cache_alone_is_declared_as_one() -> None:
    cache = {"type": "float", "num_bits": 8, "strategy": "tensor", "symmetric": True}
    declared = folder({"quant_method": "compressed-tensors", "kv_cache_scheme": cache})
    assert audit_labels(recipe("FP8_KV"), declared).passed
    assert not audit_labels(recipe("FP8_KV"), folder({"quant_method": "compressed-tensors"})).passed


def test_layouts_of_archived_packages_are_read_by_bits_and_groups() -> None:
    awq = replace(recipe("W4A16--gptq"), format=Format.AWQ)
    declared = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
    assert audit_labels(awq, folder(declared)).passed
    assert not audit_labels(awq, folder({**declared, "bits": 3})).passed
    assert not audit_labels(awq, folder({**declared, "quant_method": "gptq"})).passed
