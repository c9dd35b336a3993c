"""Quants that others made, with the real tools: sound ones pass like those built here, the others are named.

All are of the bundled example: what this program built of it is given back as if a stranger had made it.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as torch_load
from safetensors.torch import save_file as torch_save

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.variant import Variant
from tests.support.builds.planted import found, missed, planted_audit
from tests.support.builds.site import make_site
from tests.support.builds.walking import answered, audited
from tests.support.llamacpp import damage as gguf_damage
from tests.support.llamacpp.splitting import split_gguf
from tests.support.models.foreign import quantize, write_quant
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

GGUF, FOLDER = "Q4_K_M", "FP8_DYNAMIC"
NEARNESS = "weights are as near the base's as their types allow"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    """The example's own build."""
    site = make_site(tmp_path_factory.mktemp("built"), (GGUF,))
    units.build_files(site, site.plan.variants[0])
    return site


@pytest.fixture(scope="module")
def shelf(built: LocalBuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it built, as others would hand it on: a file, the same file in parts; and a folder in FP8."""
    folder = tmp_path_factory.mktemp("shelf")
    file = built.open(built.plan.variants[0]).artifact
    shutil.copyfile(file, folder / "support-llama-whole.gguf")
    parts = folder / "parts"
    parts.mkdir()
    shutil.copyfile(file, folder / "in_parts.gguf")
    split_gguf(folder / "in_parts.gguf", parts, most_tensors=15)
    (folder / "in_parts.gguf").unlink()
    write_squares(folder / "support-llama-squares")
    return folder


def write_squares(folder: Path) -> None:
    """Write the example in float8, a scale for every square of 128, as Qwen and DeepSeek publish theirs."""
    shutil.copytree(EXAMPLE / "checkpoint", folder)
    stored = {}
    for name, weight in torch_load(folder / "model.safetensors").items():
        stored[name] = weight.to(torch.bfloat16)
        if "_proj" in name:
            rows, columns = (size // 128 for size in weight.shape)
            squares = weight.float().reshape(rows, 128, columns, 128)
            scales = squares.abs().amax(dim=(1, 3), keepdim=True) / 448  # the largest E4M3
            values = (squares / scales).reshape(weight.shape)
            stored[name] = values.to(torch.float8_e4m3fn)
            stored[f"{name}_scale_inv"] = scales.reshape(rows, columns)
    torch_save(stored, folder / "model.safetensors", metadata={"format": "pt"})
    quantize(folder, quant_method="fp8", fmt="e4m3", activation_scheme="dynamic")


@pytest.fixture(scope="module")
def site(built: LocalBuild, shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    """A build of these alone, in the same store."""
    names = ("support-llama-whole.gguf", "parts", "support-llama-squares")
    places = tuple(shelf / name for name in names)
    folder = tmp_path_factory.mktemp("site")
    return make_site(folder, (), store=built.settings.store.root, foreign=places)


def sound(site: LocalBuild, name: str) -> Variant:
    planned = site.plan.variant(f"{site.plan.checkpoint.name}--foreign--{name}")
    return units.build_files(site, planned)


@pytest.mark.parametrize(
    "name", [pytest.param("whole", marks=pytest.mark.slow), "in_parts", "squares"]
)
def test_a_sound_quant_of_others_passes_every_finding(site: LocalBuild, name: str) -> None:
    variant = sound(site, name)
    assert audited(site, site.plan.variant(variant.identifier)).misses == ()


@pytest.mark.slow
def test_a_folder_that_was_built_here_passes_as_a_quant_of_others(
    built: LocalBuild, tmp_path: Path
) -> None:
    store = built.settings.store.root
    here = make_site(tmp_path / "here", (FOLDER,), store=store)
    folder = units.build_files(here, here.plan.variants[0]).artifact
    there = make_site(tmp_path / "there", (), store=store, foreign=(folder,))
    units.build_files(there, there.plan.variants[0])
    assert audited(there, there.plan.variants[0]).misses == ()


def test_a_quant_answers_as_the_variant_that_it_is_a_copy_of(
    site: LocalBuild, built: LocalBuild
) -> None:
    variant = sound(site, "in_parts")
    theirs = answered(site, site.plan.variant(variant.identifier))
    ours = answered(built, built.plan.variants[0])
    assert [each.answer.token_ids for each in theirs.answers] == [
        each.answer.token_ids for each in ours.answers
    ]


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "another tokenizer": (
        lambda file: gguf_damage.replace_text(file, "tokenizer.ggml.pre", "llama-bpe", "poro-chat"),
        "token ids equal the base's",
    ),
    "another chat template": (
        lambda file: gguf_damage.replace_text(file, "tokenizer.chat_template", "<|", "[|"),
        "chat template",
    ),
    "another end": (
        lambda file: gguf_damage.set_number(file, "tokenizer.ggml.eos_token_id", 5),
        "end-of-sequence id",
    ),
    "another context length": (
        lambda file: gguf_damage.set_number(file, "llama.context_length", 256),
        "metadata equals the base's",
    ),
    "two layers exchanged": (
        lambda file: gguf_damage.swap_tensors(file, "blk.0.ffn_up.weight", "blk.2.ffn_up.weight"),
        "weights resemble the base's",
    ),
    "a NaN scale": (
        lambda file: gguf_damage.edit_tensor(
            file, "blk.0.attn_q.weight", gguf_damage.spoil_first_scale
        ),
        "loads in its runtime",
    ),
}


SELDOM = ("another end", "another context length", "a NaN scale")
"""Faults that are planted in variants of our own as well."""


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=pytest.mark.slow if fault in SELDOM else ()) for fault in FAULTS],
)
def test_a_quant_with_one_fault_is_caught(site: LocalBuild, fault: str) -> None:
    damage, check = FAULTS[fault]
    report = planted_audit(site, sound(site, "whole"), fault, damage)
    assert check in missed(report)


def test_a_quant_of_a_fine_tune_is_no_quant_of_the_base(site: LocalBuild, tmp_path: Path) -> None:
    """An adapter of rank four was merged into its layers: norms, embeddings and tokenizer are the base's."""
    tuned = tmp_path / "tuned"
    shutil.copytree(EXAMPLE / "checkpoint", tuned)
    random = numpy.random.default_rng(0)
    weights = load_file(tuned / "model.safetensors")
    for name, values in weights.items():
        if "_proj" in name:
            change = random.standard_normal((values.shape[0], 4)) @ random.standard_normal(
                (4, values.shape[1])
            )
            size = 0.03 * numpy.linalg.norm(values) / numpy.linalg.norm(change)
            weights[name] = (values + size * change).astype(values.dtype)
    save_file(weights, tuned / "model.safetensors", metadata={"format": "pt"})
    elsewhere = make_site(tmp_path / "elsewhere", ("Q8_0",), model=tuned)
    theirs = units.build_files(elsewhere, elsewhere.plan.variants[0])
    shutil.copyfile(theirs.artifact, tmp_path / "tuned-Q8_0.gguf")
    store = site.settings.store.root
    here = make_site(tmp_path / "here", (), store=store, foreign=(tmp_path / "tuned-Q8_0.gguf",))
    units.build_files(here, here.plan.variants[0])
    report = audited(here, here.plan.variants[0])
    assert NEARNESS in missed(report)
    assert "times in blk." in found(report, NEARNESS)


def test_a_quant_of_another_model_is_refused_while_planning(tmp_path: Path) -> None:
    stranger = write_quant(tmp_path / "stranger.gguf")
    with pytest.raises(CheckpointError, match="257 x 128, and this base has no such weight"):
        make_site(tmp_path / "site", (), foreign=(stranger,))


def test_a_quant_of_an_architecture_that_llamacpp_does_not_know_is_refused_while_planning(
    shelf: Path, tmp_path: Path
) -> None:
    file = tmp_path / "unknown.gguf"
    shutil.copyfile(shelf / "support-llama-whole.gguf", file)
    gguf_damage.replace_text(file, "general.architecture", "llama", "limba")
    with pytest.raises(CheckpointError, match="unknown model architecture: 'limba'") as caught:
        make_site(tmp_path / "site", (), foreign=(file,))
    assert caught.value.where == str(file)
    assert caught.value.next_step == "take one that was made for this llama.cpp"
