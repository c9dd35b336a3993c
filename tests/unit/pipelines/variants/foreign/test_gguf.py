"""GGUF files of others: what they are told by their tensors, and what they claim."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.files.store import Store
from tests.support.llamacpp.gguf_writing import Value, write_gguf, write_parts
from tests.support.models.foreign import SAID, planned, shapes, write_quant


def one(recipes: tuple[Recipe, ...]) -> tuple[Recipe, ForeignOptions]:
    (recipe,) = recipes
    assert isinstance(recipe.options, ForeignOptions)
    return recipe, recipe.options


def test_a_file_is_what_its_tensors_are(tmp_path: Path, store: Store) -> None:
    recipe, options = one(planned(write_quant(tmp_path / "org_Demo-Q8_0.gguf"), store=store))
    assert (recipe.name, recipe.scheme, recipe.format) == ("foreign--Q8_0", "Q8_0", Format.GGUF)
    assert (str(recipe.numerics), recipe.runtime) == ("W8/A8/KV16", "llamacpp")
    assert (options.main_type, options.bits_per_weight) == ("Q8_0", 8.5)
    assert [file.name for file in options.files] == ["model.gguf"]


def test_a_label_that_no_tensor_bears_out_is_a_claim_alone(tmp_path: Path, store: Store) -> None:
    recipe, options = one(planned(write_quant(tmp_path / "a.gguf", kind="Q4_0"), store=store))
    assert recipe.scheme == "Q4_0"
    assert recipe.numerics.weights == "W4"
    assert "general.file_type: Q8_0" in map(str, options.claims)


def test_a_few_narrow_tensors_do_not_stand_for_all(tmp_path: Path, store: Store) -> None:
    file = write_gguf(
        tmp_path / "mixed.gguf", SAID, shapes("Q5_0", attn_k="Q4_0", token_embd="Q8_0")
    )
    _, options = one(planned(file, store=store))
    assert options.main_type == "Q5_0"
    file = write_gguf(
        tmp_path / "mixed.gguf", SAID, shapes("Q4_0", attn_k="Q8_0", token_embd="Q8_0")
    )
    _, options = one(planned(file, store=store))
    assert options.main_type == "Q4_0"


def test_what_it_says_of_its_making_is_repeated_as_claims(tmp_path: Path, store: Store) -> None:
    said: dict[str, Value] = {
        "general.quantized_by": "some\x1b[31mbody",
        "quantize.imatrix.file": "demo.imatrix",
        "quantize.imatrix.dataset": "calibration_v3.txt",
        "quantize.imatrix.entries_count": 14,
        "quantize.imatrix.chunks_count": 120,
        "general.description": "x" * 999,
    }
    _, options = one(planned(write_quant(tmp_path / "a.gguf", said), store=store))
    claims = {claim.subject: claim.text for claim in options.claims}
    assert claims["general.quantized_by"] == "some�[31mbody"
    assert claims["quantize.imatrix.dataset"] == "calibration_v3.txt"
    assert claims["quantize.imatrix.chunks_count"] == "120"
    assert "general.description" not in claims


def test_a_model_in_parts_is_one_variant_of_renamed_parts(tmp_path: Path, store: Store) -> None:
    parts = write_parts(tmp_path, "demo-Q8_0", SAID, shapes(), 2)
    recipe, options = one(planned(parts[1], store=store))
    assert recipe.name == "foreign--Q8_0"
    assert [(file.name, file.path) for file in options.files] == [
        ("model-00001-of-00002.gguf", parts[0]),
        ("model-00002-of-00002.gguf", parts[1]),
    ]


def test_equal_bytes_elsewhere_are_the_same_variant(tmp_path: Path, store: Store) -> None:
    (tmp_path / "b").mkdir()
    first = planned(write_quant(tmp_path / "demo-q.gguf"), store=store)[0]
    second = planned(write_quant(tmp_path / "b" / "demo-q.gguf"), store=store)[0]
    assert first != second
    assert first.placeless == second.placeless


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"general.type": "adapter"}, "is a LoRA adapter"),
        ({"general.type": "imatrix"}, "is an importance matrix"),
        ({"general.architecture": "clip"}, "is a projector"),
    ],
)
def test_what_is_no_model_of_text_is_refused(
    said: dict[str, str], reason: str, tmp_path: Path, store: Store
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        planned(write_quant(tmp_path / "a.gguf", dict(said)), store=store)


def test_a_vocabulary_alone_and_a_full_precision_file_are_refused(
    tmp_path: Path, store: Store
) -> None:
    with pytest.raises(CheckpointError, match="a vocabulary and no weights"):
        planned(write_gguf(tmp_path / "vocab.gguf", SAID, {}), store=store)
    with pytest.raises(CheckpointError, match="is not quantized: all of its tensors are F16, F32"):
        planned(write_quant(tmp_path / "f16.gguf", kind="F16"), store=store)


def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path, store: Store) -> None:
    file = write_quant(tmp_path / "a.gguf")
    whole = file.read_bytes()
    for content, reason in (
        (whole[:-100], "is truncated"),
        (b"GGML" + whole[4:], "does not begin as a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git-lfs pointer"),
        (b"", "does not begin as a GGUF file"),
    ):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=reason) as refused:
            planned(file, store=store)
        assert refused.value.next_step


def test_two_files_of_one_name_are_refused(tmp_path: Path, store: Store) -> None:
    (tmp_path / "b").mkdir()
    write_quant(tmp_path / "demo-Q8_0.gguf")
    write_quant(tmp_path / "b" / "demo_Q8_0.gguf")
    with pytest.raises(InputError, match="would both be called foreign--Q8_0"):
        planned(tmp_path / "demo-Q8_0.gguf", tmp_path / "b", store=store)
