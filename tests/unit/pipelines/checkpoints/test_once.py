"""What is derived from a checkpoint's shapes is derived once."""

from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.checkpoints.once import once_per_checkpoint
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.engines.memory import conversion_memory, rulers_memory
from tests.support.fakes import fake_checkpoint


def test_a_function_runs_once_for_each_checkpoint_and_argument(tmp_path: Path) -> None:
    ran: list[str] = []

    @once_per_checkpoint
    def named(checkpoint: Checkpoint, recipe: str) -> str:
        ran.append(recipe)
        return f"{checkpoint.name} {recipe}"

    checkpoint = fake_checkpoint(tmp_path)
    assert [named(checkpoint, "Q8_0"), named(checkpoint, "Q4_0"), named(checkpoint, "Q8_0")] == [
        f"{checkpoint.name} Q8_0",
        f"{checkpoint.name} Q4_0",
        f"{checkpoint.name} Q8_0",
    ]
    assert ran == ["Q8_0", "Q4_0"]


def test_another_checkpoint_of_equal_digests_is_another_checkpoint(tmp_path: Path) -> None:
    checkpoint = fake_checkpoint(tmp_path)
    assert conversion_memory(checkpoint) == conversion_memory(checkpoint)
    larger = tuple(replace(each, shape=(4096, *each.shape[1:])) for each in checkpoint.tensors)
    other = replace(checkpoint, tensors=larger)
    assert conversion_memory(other).size_bytes > conversion_memory(checkpoint).size_bytes


def test_the_configuration_is_read_once_for_all_that_is_foretold(tmp_path: Path) -> None:
    checkpoint = fake_checkpoint(tmp_path)
    before = rulers_memory(checkpoint)
    (tmp_path / "config.json").unlink()
    assert rulers_memory(checkpoint) == before
