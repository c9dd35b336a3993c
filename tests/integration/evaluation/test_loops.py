"""Loops in the real runtimes: one conversation for all of them, and the same one after a kill -9."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.llamacpp.checkpoints import example_checkpoint, f16
from tests.support.loops.runs import LOOPS, ask
from tests.support.project import EXAMPLE

pytestmark = pytest.mark.integration


def killed_in_the_second_wave(folder: Path, engine: str, model: Path) -> None:
    """Start the run in a process of its own and kill it when the second step is being asked."""
    command = [sys.executable, "-m", "tests.support.loops.runs", folder, engine, model]
    with subprocess.Popen([str(part) for part in command]) as process:
        for _ in range(1200):
            if list(folder.rglob("0-step2-prompts.jsonl")):
                break
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert list(folder.rglob("0-step2-prompts.jsonl"))
    assert not list(folder.rglob("runs/*/manifest.json"))


@pytest.mark.parametrize(
    "engine", ["llamacpp", pytest.param("transformers", marks=pytest.mark.slow)]
)
def test_loops_are_held_alike_and_a_killed_run_goes_on_to_the_same_transcript(
    engine: str, tmp_path: Path
) -> None:
    checkpoint = EXAMPLE / "checkpoint"
    model = checkpoint if engine == "transformers" else f16(example_checkpoint())
    run, transcript = ask(tmp_path / "whole", engine, model)
    assert len(run.answers) == LOOPS
    for graded in run.answers:
        # The first answer is the expected call; the second is given to that call and its result.
        assert graded.steps[0].grade is not None and graded.steps[0].grade.correct
        assert graded.steps[0].answer.tool_results == ('{"done": true}',)
        assert graded.steps[1].answer.prompt_tokens > graded.steps[0].answer.prompt_tokens
        assert len(graded.steps) == 2
    killed_in_the_second_wave(tmp_path / "killed", engine, model)
    again, resumed = ask(tmp_path / "killed", engine, model)
    assert resumed == transcript
    assert again.answers == run.answers
