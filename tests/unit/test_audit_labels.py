"""The label on the file and the types in it, held against the recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.audit.labels import FILE_TYPES, audit_labels
from pipelines.backends.llamacpp_file_types import FILE_TYPES as BUILT_TYPES
from pipelines.domain.audit import AuditFinding
from pipelines.domain.recipe import Format, GgufOptions, MeasuredMix, Recipe, TensorTypeRule
from pipelines.domain.variant import QuantizedTensor
from pipelines.files.safetensors_header import StoredTensor
from pipelines.runtimes.contents import Contents
from pipelines.specs.recipes import find_recipes


def recipe(name: str) -> Recipe:
    return find_recipes((name,), Path())[0]


def gguf(file_type: int, *types: str) -> Contents:
    tensors = tuple(
        StoredTensor(name=f"t{n}", dtype=dtype, shape=(1,), file=Path(), start=0, size_bytes=1)
        for n, dtype in enumerate(types)
    )
    return Contents(tensors=tensors, file_type=file_type, quantization={}, stop_token_ids=())


def labels(of: Recipe, contents: Contents, *stored: str) -> tuple[AuditFinding, AuditFinding]:
    tensors = [
        QuantizedTensor(
            name=f"t{n}", type=kind, parameter_count=1, bits_per_weight=1.0, quantized=True
        )
        for n, kind in enumerate(stored)
    ]
    types, label = audit_labels(of, tensors, contents)
    return types, label


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
    assert not set(BUILT_TYPES) - set(FILE_TYPES)
    assert len(set(FILE_TYPES.values())) == len(FILE_TYPES)


def test_a_gguf_with_the_right_label_and_types_passes() -> None:
    types, label = labels(recipe("Q4_K_M--imatrix"), gguf(15, "Q4_K", "Q4_K", "Q6_K", "F32"))
    assert types.passed
    assert label.passed
    assert types.found == "Q4_K x 2, Q6_K x 1, F32 x 1"


def test_a_gguf_without_the_type_it_is_named_for_fails() -> None:
    types, _ = labels(recipe("Q4_K_M--imatrix"), gguf(15, "Q6_K", "F16", "F32"))
    assert not types.passed


@pytest.mark.parametrize(("number", "found"), [(17, "Q5_K_M"), (1, "F16"), (-1, "file type -1")])
def test_another_file_type_on_the_label_fails_and_is_named(number: int, found: str) -> None:
    _, label = labels(recipe("Q4_K_M--imatrix"), gguf(number, "Q4_K"))
    assert not label.passed
    assert label.found == found


def test_overrides_promise_their_own_types() -> None:
    rules = (TensorTypeRule(pattern="blk", type="NVFP4"),)
    options = GgufOptions(file_type="Q8_0", tensor_types=rules)
    overridden = replace(recipe("Q8_0"), options=options)
    assert labels(overridden, gguf(7, "NVFP4", "Q8_0"))[0].passed
    assert not labels(overridden, gguf(7, "Q8_0", "Q8_0"))[0].passed


def test_a_measured_mix_holds_some_of_its_candidates() -> None:
    mix = MeasuredMix(budget_bits_per_weight=2.7, candidates=("IQ2_S", "Q3_K"))
    mixed = replace(recipe("Q2_K"), options=GgufOptions(file_type="Q2_K", mix=mix))
    assert labels(mixed, gguf(10, "Q3_K", "F32"))[0].passed
    assert not labels(mixed, gguf(10, "F16", "F32"))[0].passed


def test_a_folder_that_declares_its_scheme_passes() -> None:
    types, label = labels(recipe("W4A16--gptq"), compressed(INT4), "int4", "BF16")
    assert (types.passed, label.passed) == (True, True)
    assert labels(recipe("FP8_DYNAMIC"), compressed(FP8_WEIGHTS, FP8_TOKENS), "F8_E4M3")[1].passed
    assert labels(recipe("NVFP4"), compressed(NVFP4, NVFP4), "nvfp4")[1].passed


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
    assert not labels(recipe("W4A16--gptq"), compressed({**INT4, **changed}), "int4")[1].passed


def test_activations_that_are_not_declared_fail() -> None:
    assert not labels(recipe("FP8_DYNAMIC"), compressed(FP8_WEIGHTS), "F8_E4M3")[1].passed


def test_a_folder_without_any_declaration_fails() -> None:
    types, label = labels(recipe("W4A16--gptq"), folder({}), "BF16")
    assert (types.passed, label.passed) == (False, False)
    assert label.found.startswith("no quantization")


def test_a_cache_alone_leaves_weights_in_16_bits_and_declares_the_cache() -> None:
    cache = {"type": "float", "num_bits": 8, "strategy": "tensor", "symmetric": True}
    declared = folder({"quant_method": "compressed-tensors", "kv_cache_scheme": cache})
    types, label = labels(recipe("FP8_KV"), declared, "BF16", "F8_E4M3 cache")
    assert (types.passed, label.passed) == (True, True)
    assert not labels(recipe("FP8_KV"), folder({"quant_method": "compressed-tensors"}), "BF16")[
        1
    ].passed


def test_layouts_of_archived_packages_are_read_by_bits_and_groups() -> None:
    awq = replace(recipe("W4A16--gptq"), format=Format.AWQ)
    declared = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
    assert labels(awq, folder(declared), "int4")[1].passed
    assert not labels(awq, folder({**declared, "bits": 3}), "int4")[1].passed
    assert not labels(awq, folder({**declared, "quant_method": "gptq"}), "int4")[1].passed
