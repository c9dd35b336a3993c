"""AWQ's and GPTQ's layouts from real builds: compressed-tensors' very weights, read by us and by others."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.errors import CheckpointError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.backend import BuildRequest, Built, CalibrationTokens
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.engines.requests import Loadable, ProbeRequest
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.engines.transformers.workers.model import load
from quantgate.pipelines.engines.transformers.workers.packed_checkpoint import dense_state
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.arrays import Array, read_array, write_tensors
from quantgate.pipelines.formats.packed.config import stored_layout
from quantgate.pipelines.formats.safetensors import read_tensors
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import catalogue
from tests.support.archived.environments import archived
from tests.support.archived.readers_call import READER, ReadCall, Weights
from tests.support.builds.expectations import unexpected
from tests.support.models.checkpoints import edit_json
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration

MATRICES, GROUP = 28, 128
RECIPES = {recipe.name: recipe for recipe in catalogue()}


@dataclass(frozen=True)
class Pair:
    """A repacked variant, and the compressed-tensors folder that it was made from."""

    built: Built
    compressed: Path


@dataclass(frozen=True)
class KeepingWorkers:
    """Runs workers, and copies what llm-compressor wrote before it is repacked and removed."""

    kept: Path

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        reply = run_worker(call, reply_type, on_progress)
        if isinstance(call.request, BuildRequest):
            shutil.copytree(call.request.output, self.kept)
        return reply


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    store = Store(root=tmp_path_factory.mktemp("store"))
    folder = EXAMPLE / "checkpoint"
    return resolve_checkpoint(str(folder), name=None, store=store, hub=HubSettings())


@pytest.fixture(scope="module", params=["AWQ", "GPTQ"])
def pair(
    request: pytest.FixtureRequest, base: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> Pair:
    root = tmp_path_factory.mktemp(request.param)
    output, tokens = root / "output", root / "tokens.jsonl"
    output.mkdir()
    random = np.random.default_rng(0)
    rows = [random.integers(3, 1792, 64).tolist() for _ in range(8)]
    tokens.write_text(
        "".join(json.dumps({"id": str(at), "token_ids": row}) + "\n" for at, row in enumerate(rows))
    )
    backend = LlmCompressorBackend()
    build = BuildRequest(
        checkpoint=base,
        recipe=RECIPES[request.param],
        calibration=CalibrationTokens(
            file=tokens,
            corpus_label="c@1",
            corpus_digest=Digest("0" * 64),
            sequence_count=8,
            token_count=8 * 64,
            max_length_tokens=64,
        ),
        output=output,
        scratch=root,
        log=root / "log",
        toolchain=backend.toolchain(threads=1),
    )
    kept = root / "compressed"
    return Pair(backend.build(build, KeepingWorkers(kept), ignore_progress), kept)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Show no progress bars of transformers'."""
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


def test_every_promised_matrix_stands_in_the_layout_at_the_promised_cost(
    base: Checkpoint, pair: Pair
) -> None:
    facts = pair.built.facts
    quantized = [tensor for tensor in facts.tensors if tensor.quantized]
    assert len(facts.promised) == len(quantized) == MATRICES
    assert facts.missed == facts.nonfinite_tensors == ()
    assert {tensor.type for tensor in quantized} == {"int4"}
    layout = stored_layout(pair.built.artifact)
    assert layout is not None
    assert unexpected(RECIPES[layout.format.upper()], base, pair.built) == ()
    assert not any(path.is_dir() for path in pair.built.artifact.iterdir())


def test_weights_and_logits_are_those_of_compressed_tensors_bit_for_bit(pair: Pair) -> None:
    packed = load(pair.built.artifact).model
    compressed = AutoModelForCausalLM.from_pretrained(pair.compressed, dtype=torch.bfloat16)
    ids = torch.arange(3, 259)[None]
    with torch.inference_mode():
        # Before its first pass compressed-tensors has not expanded anything.
        logits = compressed(input_ids=ids).logits
        assert torch.equal(packed(input_ids=ids).logits, logits)
    expanded = compressed.state_dict()
    state = packed.state_dict()
    assert sum("_proj.weight" in name for name in state) == MATRICES
    assert [name for name in state if not torch.equal(state[name], expanded[name])] == []


def test_the_packages_whose_layouts_they_are_read_the_same_weights(
    pair: Pair, tmp_path: Path
) -> None:
    environment = archived()
    layout = stored_layout(pair.built.artifact)
    assert layout is not None
    call = WorkerCall(
        module=READER,
        request=ReadCall(
            folder=pair.built.artifact,
            format=layout.format,
            group_size=GROUP,
            output=tmp_path / "weights.safetensors",
        ),
        log=tmp_path / "log",
        threads=1,
        python=environment.python,
    )
    assert run_worker(call, Weights, ignore_progress).value.count == MATRICES
    ours = dense_state(pair.built.artifact, layout, torch.float32)
    theirs = load_file(tmp_path / "weights.safetensors")
    assert [name for name in theirs if not torch.equal(theirs[name], ours[name])] == []


def test_the_runtime_loads_it_and_decodes_finite(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"id": "a", "text": "", "token_ids": [5, 6, 7]}\n')
    layout = stored_layout(pair.built.artifact)
    assert layout is not None
    request = ProbeRequest(
        loadable=Loadable(path=pair.built.artifact, format=layout.format),
        texts=tmp_path / "texts.jsonl",
        threads=1,
        log=tmp_path / "log",
    )
    report = TransformersRuntime().probe(request, run_worker, ignore_progress)
    assert report.loads, report.detail
    assert report.finite_logits
    assert report.chat_template


LAYER = "model.layers.1.mlp.up_proj"


def _damaged(pair: Pair, folder: Path, **changes: Array | None) -> Path:
    """A copy in which tensors of one layer are replaced, or missing where they are None."""
    shutil.copytree(pair.built.artifact, folder)
    arrays = {t.name: t for t in read_tensors(pair.built.artifact)}
    named = {f"{LAYER}.{part}": change for part, change in changes.items()}
    kept = [tensor for name, tensor in arrays.items() if name not in named]
    new = {name: change for name, change in named.items() if change is not None}
    write_tensors(folder / "model.safetensors", new, kept)
    return folder


def _part(pair: Pair, part: str) -> Array:
    (found,) = (t for t in read_tensors(pair.built.artifact) if t.name == f"{LAYER}.{part}")
    return read_array(found)


def test_a_layer_that_lacks_a_part_does_not_load(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{LAYER} lacks scales"):
        load(_damaged(pair, tmp_path / "x", scales=None))


def test_a_layer_that_is_packed_and_whole_does_not_load(pair: Pair, tmp_path: Path) -> None:
    whole = np.zeros((768, 256), dtype=np.float16)
    with pytest.raises(CheckpointError, match=f"{LAYER} has both weight and qweight"):
        load(_damaged(pair, tmp_path / "x", weight=whole))


def test_a_tensor_that_belongs_nowhere_does_not_load(pair: Pair, tmp_path: Path) -> None:
    bias = np.zeros(768, dtype=np.float16)
    with pytest.raises(CheckpointError, match=rf"1 unexpected keys \({LAYER}.bias\)"):
        load(_damaged(pair, tmp_path / "x", bias=bias))


def test_a_nan_scale_does_not_load(pair: Pair, tmp_path: Path) -> None:
    scales = _part(pair, "scales").copy()
    scales[1, 5] = np.nan
    with pytest.raises(CheckpointError, match=f"{LAYER}.scales has 1 non-finite scales"):
        load(_damaged(pair, tmp_path / "x", scales=scales))


def test_a_layer_of_another_size_does_not_load(pair: Pair, tmp_path: Path) -> None:
    """Sound in itself, but the model that config.json describes has other layers."""
    half = {part: _part(pair, part) for part in ("qweight", "qzeros", "scales")}
    half = {part: array[:, : array.shape[1] // 2] for part, array in half.items()}
    with pytest.raises(CheckpointError, match=f"1 mismatched keys .*{LAYER}.weight"):
        load(_damaged(pair, tmp_path / "x", **half))


def test_a_label_on_other_contents_does_not_load(
    pair: Pair, base: Checkpoint, tmp_path: Path
) -> None:
    """Full precision or compressed-tensors under config.json's `awq` or `gptq`."""
    config = json.loads((pair.built.artifact / "config.json").read_text())
    for number, folder in enumerate((base.folder, pair.compressed)):
        mislabelled = tmp_path / str(number)
        shutil.copytree(folder, mislabelled)
        edit_json(mislabelled / "config.json", quantization_config=config["quantization_config"])
        with pytest.raises(CheckpointError, match="and no layer holds a `qweight`"):
            load(mislabelled)


def test_the_other_packed_layout_under_the_label_does_not_load(pair: Pair, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    shutil.copytree(pair.built.artifact, folder)
    layout = stored_layout(folder)
    assert layout is not None
    other = {"awq": "gptq", "gptq": "awq"}[layout.format]
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    both = {"sym": True, "desc_act": False, "zero_point": True, "version": "gemm"}
    edit_json(folder / "config.json", quantization_config=both | config | {"quant_method": other})
    with pytest.raises(CheckpointError, match=r"lacks g_idx|qweight has|qzeros is"):
        load(folder)
