"""Paths that lead to no file: whichever option names them, the command ends at once, in a sentence."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.cli.main import main
from tests.support.limits.time_limits import within
from tests.support.models.checkpoints import write_checkpoint

SUITE = "name: demo\nversion: 1\ngrader: exact\ndecode: {max_tokens: 8}\nslices: {a: {}}\n"
SECONDS = 20.0


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def nowhere(path: Path) -> None:
    del path


def suite(place: Path) -> Path:
    place.mkdir()
    (place / "suite.yaml").write_text(SUITE)
    row = {"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["a"]}
    (place / "items.jsonl").write_text(json.dumps(row) + "\n")
    return place


def suite_with(odd: str) -> Callable[[Path], tuple[Path, list[str]]]:
    def make(place: Path) -> tuple[Path, list[str]]:
        made = suite(place / "suite")
        (made / odd).unlink(missing_ok=True)
        return made / odd, ["suite", "check", str(made)]

    return make


def model_with(odd: str) -> Callable[[Path], tuple[Path, list[str]]]:
    def make(place: Path) -> tuple[Path, list[str]]:
        made = write_checkpoint(place / "model")
        (made / odd).unlink(missing_ok=True)
        return made / odd, ["suite", "check", str(suite(place / "suite")), "--model", str(made)]

    return make


def weights(place: Path) -> tuple[Path, list[str]]:
    made = write_checkpoint(place / "model")
    (made / "model.safetensors").unlink()
    return made / "model.safetensors", ["recommend", str(made), "--memory", "1GB"]


def bundle(place: Path) -> tuple[Path, list[str]]:
    return place / "odd.bundle", ["verify", str(place / "odd.bundle")]


def option(*words: str) -> Callable[[Path], tuple[Path, list[str]]]:
    def make(place: Path) -> tuple[Path, list[str]]:
        known = {"SUITE": str(suite(place / "suite")), "ODD": str(place / "odd.jsonl")}
        return place / "odd.jsonl", [known.get(word, word) for word in words]

    return make


PLACES = {
    "suite.yaml": suite_with("suite.yaml"),
    "items.jsonl": suite_with("items.jsonl"),
    "adjudications.jsonl": suite_with("adjudications.jsonl"),
    "config.json": model_with("config.json"),
    "tokenizer.json": model_with("tokenizer.json"),
    "tokenizer_config.json": model_with("tokenizer_config.json"),
    "chat_template.jinja": model_with("chat_template.jinja"),
    "model.safetensors": weights,
    "policy": option("suite", "check", "SUITE", "--policy", "ODD"),
    "build": option("quantize", "--build", "ODD", "--plan"),
    "reference": option("judge", "ODD", "ODD", "--suite", "SUITE"),
    "corpus": option("corpus", "build", "ODD"),
    "bundle": bundle,
    "questions": option("init", "new", "--from", "ODD"),
    "releases": option("watch", "--list", "ODD", "--once"),
    "suite": option("suite", "check", "ODD"),
}
OPTIONAL = {"adjudications.jsonl", "chat_template.jinja", "tokenizer_config.json"}
"""Files that may be missing."""
FOLDERS = {"reference", "suite"}
"""What may be a folder, too."""
TOLD = ("not a file", "cannot be read", "leads back to itself")
"""An optional file that something else has the name of is not passed over as if it were missing."""


@pytest.mark.parametrize("odd", [fifo, loop, device, folder, nowhere])
@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_file_ends_a_command_at_once_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, odd: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    path, command = PLACES[name](tmp_path)
    odd(path)
    with within(SECONDS):
        result = CliRunner().invoke(main, command)
    assert "Traceback" not in result.output
    assert "fault of quantgate" not in result.output
    if not (odd is nowhere and name in OPTIONAL):
        assert result.exit_code in (2, 3, 4), result.output
    if odd is not nowhere and name not in FOLDERS:
        assert any(words in result.output for words in TOLD), result.output
