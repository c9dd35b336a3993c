"""Places on this machine: files, folders, shelves, patterns, and what leads nowhere."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.foreign import ForeignOptions
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.files.store import Store
from tests.support.llamacpp.gguf_writing import write_parts
from tests.support.models.checkpoints import edit_json, write_checkpoint
from tests.support.models.foreign import (
    SAID,
    planned,
    quantize,
    shapes,
    write_quant,
    write_quantized_folder,
)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "demo-GGUF"
    folder.mkdir()
    write_quant(folder / "demo-Q8_0.gguf")
    write_quant(folder / "demo-Q4_0.gguf", kind="Q4_0")
    write_quant(folder / "demo-F16.gguf", kind="F16")
    write_parts(folder, "demo-Q5_0", SAID, shapes("Q5_0"), 2)
    (folder / "README.md").write_text("# card")
    return folder


NAMES = ["foreign--Q4_0", "foreign--Q5_0", "foreign--Q8_0"]


@pytest.mark.parametrize("place", ["", "/*.gguf", "/*-Q*"])
def test_a_shelf_is_every_quant_on_it_and_says_what_is_none(
    place: str, shelf: Path, store: Store
) -> None:
    said: list[str] = []
    recipes = planned(f"{shelf}{place}", store=store, say=said.append)
    assert sorted(recipe.name for recipe in recipes) == NAMES
    assert said == (
        []
        if place.endswith("Q*")
        else [
            f"{shelf}/demo-F16.gguf is left out: it is not quantized: all of its tensors are F16, F32"
        ]
    )


def test_a_folder_in_a_known_format_is_a_variant(tmp_path: Path, store: Store) -> None:
    base = write_checkpoint(tmp_path / "demo")
    folder = write_quantized_folder(base, tmp_path / "demo-FP8")
    (folder / "recipe.yaml").write_text("stage:\n  mods:\n    QuantizationModifier:\n      x: 1\n")
    (folder / "run.py").write_text("evil()")
    (recipe,) = planned(folder, store=store)
    assert (recipe.name, recipe.format) == ("foreign--FP8", Format.COMPRESSED_TENSORS)
    assert (str(recipe.numerics), recipe.runtime) == ("W8f/A16/KV16", "transformers")
    options = recipe.options
    assert isinstance(options, ForeignOptions)
    assert 8 < options.bits_per_weight < 8.2
    assert "recipe.yaml: QuantizationModifier" in map(str, options.claims)
    assert sorted(file.name for file in options.files) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"quant_method": "bitsandbytes"},
            "quantized \\(bitsandbytes\\), in a way that no runtime",
        ),
        ({"quant_method": "exl2"}, "quantized \\(exl2\\)"),
        ({"quant_method": "fbgemm_fp8"}, "quantized \\(fbgemm_fp8\\)"),
        ({"quant_method": "fp8", "weight_block_size": None}, "weight_block_size is None"),
        ({"quant_method": "fp8", "activation_scheme": "static"}, "activation_scheme is 'static'"),
        (
            {"quant_method": "gptq", "bits": 8, "group_size": 128, "sym": True, "desc_act": False},
            "bits is 8",
        ),
    ],
)
def test_formats_that_nothing_here_loads_are_refused_by_name(
    said: dict[str, object], reason: str, tmp_path: Path, store: Store
) -> None:
    folder = write_checkpoint(tmp_path / "demo")
    quantize(folder, **said)
    (folder / "model.safetensors").rename(folder / "output.safetensors")
    with pytest.raises(CheckpointError, match=reason) as refused:
        planned(folder, store=store)
    assert "leave it out" in str(refused.value)


def test_folders_that_are_no_quants_are_refused(tmp_path: Path, store: Store) -> None:
    folder = write_checkpoint(tmp_path / "demo")
    with pytest.raises(CheckpointError, match="is not quantized"):
        planned(folder, store=store)
    edit_json(folder / "config.json", quantization={"bits": 4, "group_size": 64})
    with pytest.raises(CheckpointError, match="as MLX writes it"):
        planned(folder, store=store)
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match="only pickled weights"):
        planned(tmp_path / "pickled", store=store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors nor"):
        planned(tmp_path / "empty", store=store)


def test_a_link_that_leaves_a_folder_is_refused(tmp_path: Path, store: Store) -> None:
    folder = write_quantized_folder(write_checkpoint(tmp_path / "demo"), tmp_path / "q")
    (tmp_path / "elsewhere").write_text("{}")
    (folder / "vocab.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="leaves the checkpoint's folder"):
        planned(folder, store=store)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pytorch_model.bin", "is pickled, which can run code"),
        ("model.safetensors", r"does not end in \.gguf"),
        ("notes.txt", r"does not end in \.gguf"),
    ],
)
def test_other_files_are_refused(name: str, reason: str, tmp_path: Path, store: Store) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=reason):
        planned(tmp_path / name, store=store)


def test_what_is_not_there_is_said_with_what_is(shelf: Path, store: Store) -> None:
    with pytest.raises(InputError, match="there is no such file or folder") as refused:
        planned(shelf / "demo-Q8_1.gguf", store=store)
    assert "demo-Q8_0.gguf" in str(refused.value)
    with pytest.raises(InputError, match="matches nothing") as refused:
        planned(f"{shelf}/*Q6_K*", store=store)
    assert "demo-Q" in str(refused.value)


def test_a_missing_part_is_refused(shelf: Path, store: Store) -> None:
    (shelf / "demo-Q5_0-00001-of-00002.gguf").unlink()
    with pytest.raises(CheckpointError, match=r"00001-of-00002\.gguf of its 2 parts is missing"):
        planned(shelf, store=store)


def test_large_files_are_hashed_once(tmp_path: Path, store: Store) -> None:
    file = write_quant(tmp_path / "demo-Q8_0.gguf")
    with file.open("ab") as handle:
        handle.truncate(2 << 20)
    first = planned(file, store=store)
    remembered = store.digest_memory.read_text()
    assert str(file) in remembered
    assert planned(file, store=store) == first
    assert store.digest_memory.read_text() == remembered
