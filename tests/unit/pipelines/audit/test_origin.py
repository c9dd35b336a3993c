"""Whether an artifact comes from this very base, told by what was not quantized."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quantgate.pipelines.audit.origin import audit_origin
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.recipe import CompressedTensorsOptions, Recipe
from quantgate.pipelines.domain.verdicts.audit import AuditFinding
from quantgate.pipelines.engines.contents import Contents, folder_contents
from quantgate.pipelines.formats.gguf.header import read_gguf_header
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.models.checkpoints import Words, weights, write_checkpoint, write_safetensors

NORM = "model.layers.0.input_layernorm.weight"
EMBEDDING = "model.embed_tokens.weight"


def recipe(name: str = "FP8_DYNAMIC") -> Recipe:
    return find_recipes((name,), Path())[0]


def bfloat16(values: Words) -> Words:
    """Round half precision to bfloat16, ties to even."""
    words = values.astype(np.float32).view(np.uint32)
    return ((words + 0x7FFF + ((words >> 16) & 1)) >> 16).astype(np.uint16)


def contents(folder: Path, tensors: dict[str, Words]) -> Contents:
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", tensors)
    return Contents(
        tensors=read_tensors(folder), file_type=-1, quantization={}, stop_token_ids=(0,)
    )


def origin(of: Recipe, base: Contents, variant: Contents) -> AuditFinding:
    return audit_origin(of, base, variant)[0]


def test_half_precision_rounded_to_bfloat16_is_equal(tmp_path: Path) -> None:
    base = contents(tmp_path / "base", weights())
    stored = {name: bfloat16(values) for name, values in weights().items()}
    finding = origin(recipe(), base, contents(tmp_path / "variant", stored))
    assert finding.passed, finding.found
    assert finding.found == f"{len(stored)} of {len(stored)} equal"


@pytest.mark.parametrize("name", [NORM, EMBEDDING])
def test_one_changed_value_is_found_and_its_tensor_named(tmp_path: Path, name: str) -> None:
    base = contents(tmp_path / "base", weights())
    changed = {key: bfloat16(values) for key, values in weights().items()}
    changed[name].flat[3] ^= 0b100
    finding = origin(recipe(), base, contents(tmp_path / "variant", changed))
    assert not finding.passed
    assert name in finding.found


def test_tensors_of_one_type_have_to_be_equal_bit_for_bit(tmp_path: Path) -> None:
    base = contents(tmp_path / "base", weights())
    changed = weights()
    changed[NORM].view(np.uint16)[0] ^= 1
    assert not origin(recipe(), base, contents(tmp_path / "variant", changed)).passed


@pytest.mark.parametrize(
    "options",
    [
        CompressedTensorsOptions(scheme="W4A16", modifier="AWQModifier"),
        CompressedTensorsOptions(scheme="W8A8", modifier="GPTQModifier", smoothing_strength=0.8),
    ],
)
def test_smoothing_may_rescale_norms_but_not_embeddings(
    tmp_path: Path, options: CompressedTensorsOptions
) -> None:
    base = contents(tmp_path / "base", weights())
    scaled, other = weights(), weights()
    scaled[NORM] *= np.float16(1.5)
    other[EMBEDDING] *= np.float16(1.5)
    smoothing = replace(recipe(), options=options)
    assert origin(smoothing, base, contents(tmp_path / "scaled", scaled)).passed
    assert not origin(smoothing, base, contents(tmp_path / "other", other)).passed
    assert not origin(recipe(), base, contents(tmp_path / "unasked", scaled)).passed


def test_nothing_to_compare_proves_nothing(tmp_path: Path) -> None:
    base = contents(tmp_path / "base", weights())
    none = contents(tmp_path / "variant", {"other": np.zeros(4, dtype=np.float16)})
    assert not origin(recipe(), base, none).passed


def test_tensors_of_other_sizes_and_nan_are_not_equal(tmp_path: Path) -> None:
    base = contents(tmp_path / "base", weights())
    larger = contents(tmp_path / "larger", {NORM: np.ones(256, dtype=np.float16)})
    spoilt = contents(tmp_path / "nan", {NORM: np.full(128, np.nan, dtype=np.float16)})
    assert not origin(recipe(), base, larger).passed
    assert not origin(recipe(), base, spoilt).passed


def test_another_set_of_stop_ids_is_found(tmp_path: Path) -> None:
    base = folder_contents(write_checkpoint(tmp_path / "model"))
    assert audit_origin(recipe(), base, base)[1].passed
    other = replace(base, stop_token_ids=(0, 7))
    finding = audit_origin(recipe(), base, other)[1]
    assert (finding.passed, finding.promised, finding.found) == (False, "0", "0, 7")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(*, kind: int = 8, tail: int = 34) -> bytes:
    """A GGUF with a number, a list of texts, a list of numbers and one tensor of 2 x 16 weights."""
    pairs = (
        text("general.file_type") + struct.pack("<II", 4, 7),
        text("words") + struct.pack("<IIQ", 9, 8, 2) + text("one") + text("two"),
        text("numbers") + struct.pack("<IIQ", 9, 5, 3) + bytes(12),
    )
    tensor = text("a.weight") + struct.pack("<IQQIQ", 2, 16, 2, kind, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensor
    return head + bytes(-len(head) % 32) + bytes(tail)


def test_a_gguf_header_is_read_without_llama_cpp(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(gguf())
    header = read_gguf_header(tmp_path / "a.gguf")
    (tensor,) = header.tensors
    assert header.metadata == {
        "general.file_type": 7,
        "words": ["one", "two"],
        "numbers": [0, 0, 0],
    }
    passed_over = read_gguf_header(tmp_path / "a.gguf", longest_list=1)
    assert passed_over.metadata["words"] is passed_over.metadata["numbers"] is None
    assert passed_over.tensors == header.tensors
    assert (tensor.dtype, tensor.shape, tensor.size_bytes) == ("Q8_0", (2, 16), 34)
    assert tensor.start % 32 == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"not a GGUF file", "does not begin"),
        (gguf()[:60], "damaged"),
        (gguf(tail=33), "truncated"),
        (gguf(kind=99), "unknown type"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", 1 << 40), "damaged"),
    ],
)
def test_a_damaged_gguf_header_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises(CheckpointError, match=what):
        read_gguf_header(tmp_path / "a.gguf")
