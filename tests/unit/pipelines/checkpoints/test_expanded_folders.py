"""A low-bit folder resolves to the checkpoint that it is expanded to where a reason is given, and says so."""

from pathlib import Path

import numpy as np

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools, ExpandFolder, LowBitFolder
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.engines.transformers.expanding import (
    ExpandCall,
    ExpandedFacts,
    FolderExpander,
)
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    WorkerCall,
    WorkerReply,
)
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from tests.support.models.checkpoints import edit_json, weights, write_checkpoint, write_safetensors

FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
REASON = "no wider one is published"


def low_bit(folder: Path) -> Path:
    """Write a checkpoint in squares of FP8."""
    write_checkpoint(folder)
    edit_json(folder / "config.json", quantization_config=FP8)
    stored: dict[str, np.ndarray] = {}
    for name, values in weights().items():
        if "proj" not in name:
            stored[name] = values
            continue
        stored[name] = np.full(values.shape, 0x38, dtype=np.uint8)
        sides = tuple(-(-side // 128) for side in values.shape)
        stored[f"{name}_scale_inv"] = np.ones(sides, dtype=np.float32)
    write_safetensors(folder / "model.safetensors", stored)
    return folder


def resolved(
    folder: Path, store: Store, expand: ExpandFolder | None, reason: str | None
) -> Checkpoint:
    tools = CheckpointTools(expand_folder=expand, expansion=reason)
    return resolve_checkpoint(str(folder), name=None, store=store, hub=HubSettings(), tools=tools)


class Expander:
    """Makes one folder of every low-bit folder, and remembers which were asked for."""

    def __init__(self, made: Path) -> None:
        self.made = made
        self.asked: list[LowBitFolder] = []

    def expand(self, folder: LowBitFolder, _store: Store, _on_progress: OnProgress) -> Path:
        self.asked.append(folder)
        return self.made


def test_everything_says_what_it_was_expanded_from_and_why(tmp_path: Path, store: Store) -> None:
    folder, expander = low_bit(tmp_path / "demo-FP8"), Expander(write_checkpoint(tmp_path / "made"))
    checkpoint = resolved(folder, store, expander.expand, REASON)
    assert [(each.folder, each.name) for each in expander.asked] == [(folder, "demo-FP8")]
    assert (checkpoint.name, checkpoint.source) == ("demo-FP8", str(folder))
    assert checkpoint.folder == expander.made
    assert checkpoint.quantization is None
    assert checkpoint.losses == (f"expanded from FP8 in squares of 128 ({REASON})",)
    assert checkpoint_notes(checkpoint)[0].startswith("the base is expanded from FP8 in squares of")
    before = resolved(folder, store, None, None)
    assert checkpoint.expansion is not None
    assert checkpoint.expansion.digest == before.digests.combined


def test_without_a_reason_it_stays_as_it_is(tmp_path: Path, store: Store) -> None:
    folder, expander = low_bit(tmp_path / "demo-FP8"), Expander(tmp_path)
    checkpoint = resolved(folder, store, expander.expand, None)
    assert not expander.asked
    assert checkpoint.quantization is not None
    assert checkpoint.losses == ()


def test_those_who_only_look_expand_no_folder(tmp_path: Path, store: Store) -> None:
    checkpoint = resolved(low_bit(tmp_path / "demo-FP8"), store, None, "to be looked at")
    assert checkpoint.quantization is not None


def test_full_precision_is_left_alone_whatever_the_reason(tmp_path: Path, store: Store) -> None:
    expander = Expander(tmp_path)
    checkpoint = resolved(write_checkpoint(tmp_path / "demo"), store, expander.expand, REASON)
    assert not expander.asked
    assert checkpoint.losses == ()


class Worker:
    """Stands for child processes: writes a checkpoint, and counts how often."""

    def __init__(self) -> None:
        self.calls: list[ExpandCall] = []

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        del on_progress
        assert isinstance(call.request, ExpandCall)
        self.calls.append(call.request)
        write_checkpoint(call.request.output)
        facts = ExpandedFacts(tensors=20, expanded=14)
        assert isinstance(facts, reply_type)
        return WorkerReply(value=facts, seconds=1.0, peak_memory_bytes=1)


def test_a_folder_is_expanded_once(tmp_path: Path, store: Store) -> None:
    folder, worker = low_bit(tmp_path / "demo-FP8"), Worker()
    expand = FolderExpander(worker).expand
    first, second = (resolved(folder, store, expand, REASON) for _ in range(2))
    assert len(worker.calls) == 1
    assert first.folder == second.folder
    assert first.folder.parent == store.root / "unpacked"
