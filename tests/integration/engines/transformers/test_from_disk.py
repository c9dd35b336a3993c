"""Weights that are read from the disk layer by layer compute what those in memory do, to the last bit."""

import gc
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from quantgate.pipelines.audit.divergence import DIVERGENCE_TOKENS
from quantgate.pipelines.domain.verdicts.ruler import Grid, Ruler
from quantgate.pipelines.engines.divergence.rulers import RulersRequest, measure_rulers
from quantgate.pipelines.engines.residence import Residence
from quantgate.pipelines.engines.transformers.workers.model import LoadedModel, load
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.builds.lone_build import build_alone
from tests.support.llamacpp.checkpoints import write_lines
from tests.support.models.checkpoints import write_checkpoint
from tests.support.models.random_llama import Shape, write_random_llama

pytestmark = pytest.mark.integration

SMALL = Shape(hidden=256, feed_forward=512, layers=2)
IDS = torch.arange(1, 60)[None]


@torch.inference_mode()
def logits(loaded: LoadedModel) -> torch.Tensor:
    found: torch.Tensor = loaded.model(input_ids=IDS).logits
    return found


@pytest.fixture
def residence(tmp_path: Path) -> Residence:
    return Residence(resident_bytes=1, folder=tmp_path / "offloaded")


def test_a_base_computes_alike(tmp_path: Path, residence: Residence) -> None:
    base = write_random_llama(tmp_path / "base", SMALL, files=2)
    assert torch.equal(logits(load(base, residence)), logits(load(base)))


def test_a_compressed_variant_computes_alike_and_leaves_nothing(
    tmp_path: Path, residence: Residence
) -> None:
    base = write_random_llama(tmp_path / "base", SMALL)
    built = build_alone(str(base), Store(root=tmp_path / "store"), "FP8_DYNAMIC", 1)
    loaded = load(built.artifact, residence)
    assert torch.equal(logits(loaded), logits(load(built.artifact)))
    assert any(residence.folder.iterdir())
    del loaded
    gc.collect()
    assert list(residence.folder.iterdir()) == []


@pytest.mark.parametrize("head", [True, False])
def test_rulers_round_what_lies_on_the_disk(
    head: bool, tmp_path: Path, residence: Residence
) -> None:
    base = write_checkpoint(tmp_path / "base")
    rows = ({"id": str(at), "token_ids": list(range(1, 40))} for at in range(2))
    grid = Grid(values="integer", bits=4, shared_by="group", size=32)
    request = RulersRequest(
        base=base,
        rulers=(Ruler(label="W4", weights=grid, head=grid if head else None),),
        sequences=write_lines(tmp_path / "tokens.jsonl", rows),
        max_tokens=DIVERGENCE_TOKENS,
        threads=1,
        log=tmp_path / "log",
    )
    in_memory = measure_rulers(request, run_worker, ignore_progress)
    on_disk = measure_rulers(replace(request, residence=residence), run_worker, ignore_progress)
    assert on_disk == in_memory
