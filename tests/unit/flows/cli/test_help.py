"""`--help` at every level: it fits a terminal of 80 columns, and asking for it imports nothing heavy."""

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from quantgate.flows.cli.main import main


def commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from commands(inner)


GROUPS = [command for command in commands(main) if isinstance(command, click.Group)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group.name))
def test_no_commands_line_is_cut(group: click.Group) -> None:
    shown = group.get_help(click.Context(group, info_name=group.name, terminal_width=80))
    lines = shown.partition("Commands:")[2].splitlines()
    assert lines
    assert [line for line in lines if line.endswith("...")] == []


ASK = """
import json, sys, click
from quantgate.flows.cli.main import main

def ask(command):
    command.get_help(click.Context(command, info_name="quantgate"))
    asked = 1
    if isinstance(command, click.Group):
        asked += sum(map(ask, command.commands.values()))
    return asked

print(json.dumps([ask(main), sorted({name.partition(".")[0] for name in sys.modules})]))
"""
HEAVY = {"torch", "prefect", "mlflow", "numpy", "pydantic", "rich", "tokenizers", "jinja2", "yaml"}


def test_asking_every_command_for_help_imports_nothing_that_commands_work_with() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=True
    )
    asked, modules = json.loads(finished.stdout)
    assert asked == len(list(commands(main)))
    assert HEAVY & set(modules) == set()
