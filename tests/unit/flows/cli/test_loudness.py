"""`--quiet`, `--verbose` and NO_COLOR; and the completion that one command installs."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from quantgate.flows.cli.main import main
from quantgate.flows.cli.views.blocks import Heading, Styled, TableBlock
from quantgate.flows.cli.views.rendering import show_on
from quantgate.flows.progress.board import open_board
from quantgate.flows.progress.loudness import LOUDNESS_VARIABLE, Loudness, as_loud_as, loudness


@pytest.mark.parametrize(
    ("chosen", "lines"), [(Loudness.QUIET, 0), (Loudness.USUAL, 3), (Loudness.VERBOSE, 3)]
)
def test_progress_is_as_loud_as_asked_for(
    chosen: Loudness, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with as_loud_as(chosen), open_board() as board:
        board.say("a store")
        with board.unit("build", "a--b"):
            pass
    told = capsys.readouterr().err.splitlines()
    assert len(told) == lines
    assert all((line[2] == line[5] == ":") == (chosen is Loudness.VERBOSE) for line in told)


def test_it_lasts_as_long_as_the_command_and_odd_words_are_the_usual(tmp_path: Path) -> None:
    environment = {"QUANTGATE_STORE": str(tmp_path)}
    usual, verbose = (
        CliRunner().invoke(main, ["lookup", "none", *options], env=environment)
        for options in ([], ["--verbose"])
    )
    assert (usual.exit_code, verbose.exit_code) == (12, 12)
    assert "Traceback" not in usual.output
    assert "Traceback" in verbose.output
    assert LOUDNESS_VARIABLE not in os.environ
    assert loudness({LOUDNESS_VARIABLE: "deafening"}) is Loudness.USUAL


def test_no_colour_is_shown_where_the_environment_asks_for_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    block = TableBlock(title="t", headings=(Heading("a"),), rows=(), framed=False)
    shown = []
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        console = Console(force_terminal=True, color_system="standard")
        console.print(Styled("x").text, style="red")
        show_on(console, (block,))
        shown.append("\x1b[31m" in capsys.readouterr().out)
    assert shown == [True, False]


@pytest.mark.parametrize(
    ("shell", "place", "said"),
    [
        ("bash", "share/bash-completion/completions/quantgate", "_quantgate_completion"),
        ("zsh", "share/quantgate/completion.zsh", "#compdef quantgate"),
        (
            "fish",
            "config/fish/completions/quantgate.fish",
            "complete --no-files --command quantgate",
        ),
    ],
)
def test_completion_is_installed_where_the_shell_looks(
    tmp_path: Path, shell: str, place: str, said: str
) -> None:
    environment = {
        "HOME": str(tmp_path),
        "ZDOTDIR": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "SHELL": f"/bin/{shell}",
    }
    for _ in range(2):  # a second time changes nothing
        result = CliRunner().invoke(main, ["completion"], env=environment)
        assert result.exit_code == 0, result.output
    assert said in (tmp_path / place).read_text()
    settings = tmp_path / ".zshrc"
    assert settings.exists() == (shell == "zsh")
    if shell == "zsh":
        assert settings.read_text().count("completion.zsh") == 1


def test_a_shell_that_cannot_complete_is_named() -> None:
    result = CliRunner().invoke(main, ["completion"], env={"SHELL": "/bin/tcsh"})
    assert (result.exit_code, "for the shell 'tcsh'" in result.output) == (2, True)
