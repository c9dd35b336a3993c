"""A GGUF file resolves to the checkpoint that it is made into, and says what it had lost."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.resolving import resolve_checkpoint
from quantgate.pipelines.checkpoints.tools import CheckpointTools, OpenedGguf
from quantgate.pipelines.domain.checkpoint import GgufOrigin
from quantgate.pipelines.domain.errors import CheckpointError, InputError
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.hub.source import HubSettings
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.report.checkpoint_notes import checkpoint_notes
from tests.support.models.checkpoints import write_checkpoint


def tools(folder: Path, asked: list[str | None]) -> CheckpointTools:
    """Return tools that make this folder of every GGUF file."""

    def open_gguf(
        file: Path, expansion: str | None, store: Store, on_progress: OnProgress
    ) -> OpenedGguf:
        asked.append(expansion)
        origin = GgufOrigin(
            file=file, sha256=digest_of("file"), file_type="Q4_1", expansion=expansion or ""
        )
        return OpenedGguf(folder=folder, name="demo", origin=origin, notes=("an odd key",))

    return CheckpointTools(open_gguf=open_gguf, expansion="no wider one is published")


def test_a_gguf_file_is_the_checkpoint_made_of_it(tmp_path: Path, store: Store) -> None:
    file, folder = tmp_path / "demo.Q4_1.gguf", write_checkpoint(tmp_path / "made")
    asked: list[str | None] = []
    file.write_bytes(b"GGUF")
    made = tools(folder, asked)
    checkpoint = resolve_checkpoint(
        str(file), name=None, store=store, hub=HubSettings(), tools=made
    )
    assert asked == ["no wider one is published"]
    assert (checkpoint.name, checkpoint.source) == ("demo", str(file))
    assert checkpoint.folder == folder
    assert checkpoint.losses == ("expanded from Q4_1 (no wider one is published)",)
    notes = checkpoint_notes(checkpoint)
    assert notes[0].startswith("the base is expanded from Q4_1 (no wider one is published): ")
    assert notes[-1] == "an odd key"


def test_full_precision_has_lost_nothing(tmp_path: Path, store: Store) -> None:
    file, folder = tmp_path / "demo.gguf", write_checkpoint(tmp_path / "made")
    file.write_bytes(b"GGUF")
    made = replace(tools(folder, []), expansion=None)
    checkpoint = resolve_checkpoint(
        str(file), name="mine", store=store, hub=HubSettings(), tools=made
    )
    assert checkpoint.name == "mine"
    assert checkpoint.losses == ()


def test_without_tools_a_gguf_file_is_refused(tmp_path: Path, store: Store) -> None:
    file = tmp_path / "demo.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match="a checkpoint folder is needed here"):
        resolve_checkpoint(str(file), name=None, store=store, hub=HubSettings())


def test_a_gguf_file_that_is_not_there_is_named(tmp_path: Path, store: Store) -> None:
    (tmp_path / "model-f16.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match="there is no such file") as refusal:
        resolve_checkpoint(
            str(tmp_path / "model-f61.gguf"), name=None, store=store, hub=HubSettings()
        )
    assert "did you mean" in str(refusal.value.next_step)
    assert "model-f16.gguf" in str(refusal.value.next_step)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (os.mkfifo, r"model\.gguf: is a pipe \(FIFO\), not a file"),
        (lambda path: path.symlink_to("gone.gguf"), r"model\.gguf: is a link that leads nowhere"),
        (lambda path: path.symlink_to(path.name), r"model\.gguf: is a link that leads nowhere"),
    ],
)  # fmt: skip
def test_a_gguf_file_that_cannot_be_read_is_refused_before_it_is_opened(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, make: object, sentence: str
) -> None:
    """By a relative name, which might be one of a hub: nobody is asked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shelf").mkdir()
    assert callable(make)
    make(tmp_path / "shelf" / "model.gguf")
    with pytest.raises(InputError, match=sentence):
        resolve_checkpoint("shelf/model.gguf", name=None, store=store, hub=HubSettings())
