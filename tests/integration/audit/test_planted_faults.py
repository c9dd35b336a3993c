"""Faults that leave a tool with exit code 0, each planted alone, each caught by the audit or before it.

All on the bundled example, built once; the honest variants that are damaged here pass all their findings.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as torch_load
from safetensors.torch import save_file as torch_save

from quantgate.flows.build import units
from quantgate.flows.build.local_build import LocalBuild
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.variant import BuildFacts, Variant
from quantgate.pipelines.engines.llamacpp.build_messages import QuantizeCall, QuantizeFacts
from quantgate.pipelines.formats.packed.compressed import stored_scheme, stored_tensors
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.archived.without_guard import run_without_guard
from tests.support.builds.planted import found, missed, planted_audit
from tests.support.builds.site import make_site
from tests.support.builds.walking import audited
from tests.support.llamacpp import damage as gguf_damage
from tests.support.llamacpp.checkpoints import Sizes, random_checkpoint
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

GGUF, TINY, FOLDER = "Q4_K_M--imatrix", "Q2_K", "FP8_DYNAMIC"
DIVERGENCE = "divergence from the base against round-to-nearest"
RESEMBLANCE = "weights resemble the base's"
METADATA = "metadata equals the base's"
LAYER = "model.layers.2.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> LocalBuild:
    return make_site(tmp_path_factory.mktemp("site"), (GGUF, TINY, FOLDER))


def honest(site: LocalBuild, recipe: str) -> Variant:
    """The sound variant, built on first use."""
    return units.build_files(site, site.plan.variant(f"{site.plan.checkpoint.name}--{recipe}"))


@pytest.mark.parametrize("recipe", [GGUF, TINY, FOLDER])
def test_an_honest_variant_passes_every_finding(site: LocalBuild, recipe: str) -> None:
    variant = honest(site, recipe)
    report = audited(site, site.plan.variant(variant.identifier))
    assert report.misses == ()


def in_tensor(name: str, edit: Callable[[bytearray], None]) -> Callable[[Path], None]:
    return lambda file: gguf_damage.edit_tensor(file, name, edit)


def randomize_weights(file: Path) -> None:
    for layer in range(4):
        for part in ("attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"):
            gguf_damage.edit_tensor(file, f"blk.{layer}.{part}.weight", gguf_damage.scramble)


def cut_off_the_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a NaN scale": (
        in_tensor("blk.0.attn_q.weight", gguf_damage.spoil_first_scale),
        "loads in its runtime",
    ),
    "zeroed scales": (in_tensor("blk.1.ffn_up.weight", gguf_damage.zero_scales), RESEMBLANCE),
    "two layers exchanged": (
        lambda file: gguf_damage.swap_tensors(file, "blk.0.ffn_up.weight", "blk.2.ffn_up.weight"),
        RESEMBLANCE,
    ),
    "garbage weights": (randomize_weights, DIVERGENCE),
    "a wrong pre-tokenizer": (
        lambda file: gguf_damage.replace_text(file, "tokenizer.ggml.pre", "llama-bpe", "poro-chat"),
        "token ids equal the base's",
    ),
    "a token missing from the vocabulary": (
        lambda file: gguf_damage.rename_token(file, "order", "qzxqz"),
        "token ids equal the base's",
    ),
    "a swapped chat template": (
        lambda file: gguf_damage.replace_text(file, "tokenizer.chat_template", "<|", "[|"),
        "chat template",
    ),
    "a wrong end-of-sequence id": (
        lambda file: gguf_damage.set_number(file, "tokenizer.ggml.eos_token_id", 5),
        "end-of-sequence id",
    ),
    "two merges exchanged": (gguf_damage.swap_merges, METADATA),
    "a token of another kind": (lambda file: gguf_damage.retype_token(file, 40, 4), METADATA),
    "another context length": (
        lambda file: gguf_damage.set_number(file, "llama.context_length", 256),
        METADATA,
    ),
    "other heads": (
        lambda file: gguf_damage.set_number(file, "llama.attention.head_count_kv", 4),
        METADATA,
    ),
    "a wrong file type on the label": (
        lambda file: gguf_damage.set_number(file, "general.file_type", 17),
        "label on the file",
    ),
    "a file cut off before it was sealed": (cut_off_the_end, "headers can be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gguf_with_one_fault_is_caught(site: LocalBuild, fault: str) -> None:
    damage, check = FAULTS[fault]
    report = planted_audit(site, honest(site, GGUF), fault, damage)
    assert check in missed(report)


def test_a_file_of_fewer_bits_under_the_label_of_more_is_caught(site: LocalBuild) -> None:
    smaller = honest(site, TINY)
    report = planted_audit(
        site,
        honest(site, GGUF),
        "fewer bits",
        lambda _: smaller.facts,
        artifact=smaller.artifact,
    )
    assert {"bits per weight", "tensor types", "label on the file"} <= missed(report)


def test_a_base_passed_off_as_quantized_is_caught(site: LocalBuild) -> None:
    """Even where the tool's own facts say that all is well."""
    base = next(site.scratch.glob("gguf-f16-*/model.gguf"))
    report = planted_audit(
        site,
        honest(site, GGUF),
        "the base",
        lambda file: gguf_damage.set_number(file, "general.file_type", 15),
        artifact=base,
    )
    assert {"tensor types", DIVERGENCE} <= missed(report)
    assert found(report, DIVERGENCE).startswith("0 nats")


def test_a_variant_of_another_base_is_caught(site: LocalBuild, tmp_path: Path) -> None:
    """Of the same shapes, tokenizer and configuration: a later training run, say."""
    other = tmp_path / "other"
    shutil.copytree(EXAMPLE / "checkpoint", other)
    random = numpy.random.default_rng(0)
    weights = {
        name: (values * (1 + 0.05 * random.standard_normal(values.shape))).astype(values.dtype)
        for name, values in load_file(other / "model.safetensors").items()
    }
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    elsewhere = make_site(tmp_path / "site", (TINY,), model=other)
    stranger = units.build_files(elsewhere, elsewhere.plan.variants[0])
    sound = honest(site, TINY)
    report = planted_audit(site, sound, "another base", lambda _: None, artifact=stranger.artifact)
    assert "unquantized tensors equal the base's" in missed(report)


def test_a_layer_left_at_16_bits_is_caught_and_named(site: LocalBuild) -> None:
    """The file itself is well-formed: it says which layer it leaves, and loads."""
    sound = honest(site, FOLDER)

    def leave_a_layer(folder: Path) -> BuildFacts:
        base = torch_load(EXAMPLE / "checkpoint" / "model.safetensors")
        weights = torch_load(folder / "model.safetensors")
        del weights[f"{LAYER}_scale"]
        weights[LAYER] = base[LAYER].to(torch.bfloat16)
        torch_save(weights, folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_text())
        config["quantization_config"]["ignore"].append(LAYER.removesuffix(".weight"))
        (folder / "config.json").write_text(json.dumps(config))
        written = stored_tensors(
            read_tensors(EXAMPLE / "checkpoint"), read_tensors(folder), stored_scheme(folder)
        )
        return replace(sound.facts, tensors=written)

    report = planted_audit(site, sound, "one layer left", leave_a_layer)
    assert missed(report) == {"layers quantized", "tensor types", "bits per weight"}
    assert LAYER in found(report, "layers quantized")


def test_a_folder_that_stops_elsewhere_is_caught(site: LocalBuild) -> None:
    def stop_elsewhere(folder: Path) -> None:
        settings = json.loads((folder / "generation_config.json").read_text())
        settings["eos_token_id"] = [2, 7]
        (folder / "generation_config.json").write_text(json.dumps(settings))

    report = planted_audit(site, honest(site, FOLDER), "another stop", stop_elsewhere)
    assert missed(report) == {"ids that end an answer"}


FOLDER_FAULTS: dict[str, tuple[str, str, object, str]] = {
    "a sampling default": ("generation_config.json", "temperature", 0.7, METADATA),
    "a special token": ("special_tokens_map.json", "eos_token", "<|user|>", METADATA),
    "an end in config.json": ("config.json", "eos_token_id", 7, "configuration equals the base's"),
    "a rope setting": (
        "config.json",
        "partial_rotary_factor",
        0.5,
        "configuration equals the base's",
    ),
}


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_a_folder_with_another_setting_is_caught(site: LocalBuild, fault: str) -> None:
    name, key, value, check = FOLDER_FAULTS[fault]

    def change(folder: Path) -> None:
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**settings, key: value}))

    assert check in missed(planted_audit(site, honest(site, FOLDER), fault, change))


def test_a_folder_with_other_bits_on_its_label_is_caught(site: LocalBuild) -> None:
    def relabel(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        for group in config["quantization_config"]["config_groups"].values():
            group["weights"]["strategy"] = "tensor"
        (folder / "config.json").write_text(json.dumps(config))

    report = planted_audit(site, honest(site, FOLDER), "another strategy", relabel)
    assert "label on the file" in missed(report)


@pytest.mark.parametrize("damage", ["one flipped byte", "cut off"])
def test_a_file_altered_in_the_store_is_refused(
    site: LocalBuild, damage: str, tmp_path: Path
) -> None:
    here = make_site(tmp_path / "site", (TINY,), store=tmp_path / "store")
    variant = units.build_files(here, here.plan.variants[0])
    content = bytearray(variant.artifact.read_bytes())
    content[len(content) // 2] ^= 1
    variant.artifact.write_bytes(content if damage == "one flipped byte" else content[:-1])
    with pytest.raises(InputError, match=r"model\.gguf: a sealed file was altered"):
        audited(here, here.plan.variants[0])


def test_an_importance_matrix_that_lacks_an_entry_is_caught(
    site: LocalBuild, tmp_path: Path
) -> None:
    """llama.cpp quantizes that tensor without it, and only remarks on it at its lowest log level."""
    sound = honest(site, GGUF)
    (whole,) = site.scratch.glob("imatrix-*/imatrix.gguf")
    lacking = tmp_path / "imatrix.gguf"
    lacking.write_bytes(whole.read_bytes().replace(b"blk.1.ffn_up.", b"blk.7.ffn_up."))

    def quantize_again(file: Path) -> BuildFacts:
        call = QuantizeCall(
            source=next(site.scratch.glob("gguf-f16-*/model.gguf")),
            output=file,
            file_type="Q4_K_M",
            imatrix=lacking,
            threads=1,
        )
        worker = WorkerCall(
            module="quantgate.pipelines.engines.llamacpp.workers.building.quantize",
            request=call,
            log=tmp_path / "log",
            threads=1,
        )
        written = run_worker(worker, QuantizeFacts, ignore_progress).value
        return replace(sound.facts, tensors=written.tensors, uncovered=written.uncovered)

    report = planted_audit(site, sound, "an entry less", quantize_again)
    assert missed(report) == {"calibration reached every weight"}
    assert "blk.1.ffn_up.weight" in found(report, "calibration reached every weight")


def test_no_calibration_tokens_at_all_is_caught(site: LocalBuild) -> None:
    sound = honest(site, GGUF)
    none = replace(sound.facts, calibration_tokens=0, calibration_sequences=0)
    report = planted_audit(site, sound, "nothing used", lambda _: none)
    assert missed(report) == {"calibration tokens really used"}


def test_a_corpus_without_anything_to_predict_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}\n')
    corpus = tmp_path / "corpus.yaml"
    corpus.write_text("name: nothing\nsequences: 2\nsources:\n  - path: rows.jsonl\n")
    with pytest.raises(InputError, match="would get nothing of this corpus"):
        make_site(tmp_path / "site", (GGUF,), corpus=corpus)


def test_targets_that_match_nothing_are_refused(tmp_path: Path) -> None:
    recipe = (EXAMPLE / "../../pipelines/specs/catalogue/FP8_DYNAMIC.yaml").read_text()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "stray.yaml").write_text(
        recipe.replace("name: FP8_DYNAMIC", "name: stray") + "  targets: [NoSuchLayer]\n"
    )
    with pytest.raises(CheckpointError, match="NoSuchLayer"):
        make_site(tmp_path / "site", ("stray.yaml",))


def test_a_nan_weight_in_the_base_is_refused(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "checkpoint", tmp_path / "spoilt")
    file = tmp_path / "spoilt" / "model.safetensors"
    weights = load_file(file)
    weights[LAYER][3, 5] = numpy.nan
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="NaN"):
        make_site(tmp_path / "site", (TINY,), model=tmp_path / "spoilt")


def test_rows_that_no_block_divides_are_refused(tmp_path: Path) -> None:
    """llama.cpp would leave all of them at F16 and report success."""
    random_checkpoint(tmp_path / "odd", Sizes(hidden=80, feed_forward=144))
    config = tmp_path / "odd" / "config.json"
    roomy = json.loads(config.read_text()) | {"max_position_embeddings": 2048}
    config.write_text(json.dumps(roomy))  # every item fits, so that shapes are what is looked at
    with pytest.raises(CheckpointError, match="rows of 80"):
        make_site(tmp_path / "site", ("Q8_0",), model=tmp_path / "odd")


@pytest.mark.slow
def test_autoawq_as_it_comes_is_caught(tmp_path: Path, site: LocalBuild) -> None:
    """On a CPU it corrupts the weights that it saves, and exits 0; with our guard it passes."""
    here = make_site(tmp_path / "site", ("AWQ--autoawq",), store=site.settings.store.root)
    planned = here.plan.variants[0]
    unguarded = replace(here, tools=replace(here.tools, run_worker=run_without_guard))
    faulty = replace(planned, toolchain=replace(planned.toolchain, device="cpu, unguarded"))
    units.build_files(unguarded, faulty)
    report = audited(here, faulty)
    assert DIVERGENCE in missed(report)
