"""A file that breaks far behind what a probe decodes: its tensors give it away, and every long item."""

import json
import shutil
import struct
from pathlib import Path

import pytest

from quantgate.pipelines.audit.origin import audit_origin
from quantgate.pipelines.domain.checkpoint import Checkpoint
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.run import Schedule
from quantgate.pipelines.domain.suites.suite import DecodeSettings
from quantgate.pipelines.engines.contents import gguf_contents
from quantgate.pipelines.engines.requests import AnswerRequest, Loadable
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.support.llamacpp import damage
from tests.support.llamacpp.checkpoints import (
    backend,
    byte_level_tokenizer,
    probe,
    random_checkpoint,
    runtime,
    write_lines,
)

pytestmark = pytest.mark.integration

CONTEXT, LAST_SOUND, LONG, SHORT = 4096, 2500, 3900, 100
LARGEST_FLOAT = 3.4e38


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sound F16 file, and one whose rotations overflow behind a position and are finite until there."""
    folder = tmp_path_factory.mktemp("long")
    checkpoint = random_checkpoint(folder / "base")
    stretch(checkpoint)
    sound = backend().converter.convert(checkpoint, folder / "f16", run_worker, ignore_progress)
    broken = folder / "broken.gguf"
    shutil.copyfile(sound, broken)
    damage.edit_tensor(broken, "rope_freqs.weight", overflow)
    return sound, broken


def stretch(checkpoint: Checkpoint) -> None:
    """Give it four thousand positions, by scaled rotations, for which the converter writes a tensor."""
    file = checkpoint.folder / "config.json"
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512,
    }
    config = json.loads(file.read_text())
    file.write_text(
        json.dumps(config | {"max_position_embeddings": CONTEXT, "rope_scaling": scaling})
    )


def overflow(factors: bytearray) -> None:
    """A position is divided by its factor: this one makes the next after `LAST_SOUND` infinite."""
    factors[:4] = struct.pack("<f", LAST_SOUND / LARGEST_FLOAT)


def finishes(model: Path, folder: Path) -> dict[str, str]:
    """Return how the answers to a short and a long prompt end."""
    rows = [
        {"item_id": name, "token_ids": [4 + at % 400 for at in range(length)]}
        for name, length in (("short", SHORT), ("long", LONG))
    ]
    request = AnswerRequest(
        loadable=Loadable(path=model, format=Format.GGUF),
        prompts=write_lines(folder / "prompts.jsonl", rows),
        answers=folder / f"{model.stem}.jsonl",
        decode=DecodeSettings(max_tokens=2),
        stop_token_ids=(),
        schedule=Schedule(slots=2, threads=1),
        log=folder / "answer.log",
    )
    runtime().answer(request, run_worker, ignore_progress)
    answers = map(json.loads, request.answers.read_text().splitlines())
    return {answer["item_id"]: answer["finish_reason"] for answer in answers}


def test_a_long_item_ends_as_an_error_where_the_context_breaks(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    sound, broken = files
    assert finishes(sound, tmp_path) == {"short": "length", "long": "length"}
    assert finishes(broken, tmp_path) == {"short": "length", "long": "error"}


def test_the_audit_finds_the_tensor_that_a_probe_of_the_beginning_does_not_reach(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    sound, broken = files
    tokenizer = byte_level_tokenizer()
    text = "a café " * (LONG // len(tokenizer.encode("a café ").ids))
    assert probe(broken, tokenizer, [text], tmp_path).finite_logits
    (recipe,) = find_recipes(("Q8_0",), tmp_path)
    tensors, _ = audit_origin(recipe, gguf_contents(sound), gguf_contents(broken))
    assert not tensors.passed
    assert "rope_freqs.weight" in tensors.found
