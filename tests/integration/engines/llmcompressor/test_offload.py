"""A base that is read from disk layer by layer is quantized as one that is in memory, bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.domain.recipe import Recipe
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.engines.backend import BuildRequest, CalibrationTokens
from quantgate.pipelines.engines.llmcompressor.backend import LlmCompressorBackend
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.formats.safetensors import StoredTensor, read_tensors
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.llamacpp.checkpoints import write_lines
from tests.support.models.checkpoints import write_checkpoint

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def request_of(tmp_path_factory: pytest.TempPathFactory) -> BuildRequest:
    folder = tmp_path_factory.mktemp("offload")
    base = resolve_checkpoint(
        str(write_checkpoint(folder / "tiny")),
        name=None,
        store=Store(root=folder / "store"),
        hub=HubSettings(),
    )
    rows = (
        {"id": str(at), "token_ids": [1 + (7 * at * k) % 250 for k in range(30)]} for at in range(8)
    )
    calibration = CalibrationTokens(
        file=write_lines(folder / "tokens.jsonl", rows),
        corpus_label="c@1",
        corpus_digest=Digest("0" * 64),
        sequence_count=8,
        token_count=240,
        max_length_tokens=64,
    )
    return BuildRequest(
        checkpoint=base,
        recipe=find_recipes(("FP8_DYNAMIC",), Path())[0],
        calibration=calibration,
        output=folder,
        scratch=folder / "scratch",
        log=folder / "build.log",
        toolchain=LlmCompressorBackend().toolchain(threads=1),
    )


def built(request: BuildRequest, recipe: Recipe, resident_bytes: int | None) -> dict[str, bytes]:
    """Build, and return every tensor's type, shape and bytes."""
    output = request.output / f"{recipe.name}-{resident_bytes}"
    output.mkdir()
    asked = replace(request, recipe=recipe, output=output, resident_bytes=resident_bytes)
    LlmCompressorBackend().build(asked, run_worker, ignore_progress)
    assert list(output.rglob("*offload*")) == [], "what lay on disk meanwhile is gone"
    return {
        tensor.name: f"{tensor.dtype} {tensor.shape} ".encode() + stored_bytes(tensor)
        for tensor in read_tensors(output)
    }


def stored_bytes(tensor: StoredTensor) -> bytes:
    return tensor.file.read_bytes()[tensor.start : tensor.start + tensor.size_bytes]


@pytest.mark.parametrize(
    "name",
    [
        "W4A16--gptq",
        pytest.param("FP8_DYNAMIC", marks=pytest.mark.slow),
        pytest.param("W4A16--awq", marks=pytest.mark.slow),
    ],
)
def test_reading_from_disk_changes_no_bit(name: str, request_of: BuildRequest) -> None:
    (recipe,) = find_recipes((name,), Path())
    whole = built(request_of, recipe, None)
    assert built(request_of, recipe, 1) == whole
