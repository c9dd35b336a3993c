"""What `--help` lists fits a terminal of 80 columns."""

from collections.abc import Iterator

import click
import pytest

from quantgate.flows.cli.main import main


def groups(group: click.Group) -> Iterator[click.Group]:
    yield group
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from groups(command)


@pytest.mark.parametrize("group", list(groups(main)), ids=lambda group: str(group.name))
def test_no_commands_line_is_cut(group: click.Group) -> None:
    shown = group.get_help(click.Context(group, info_name=group.name, terminal_width=80))
    lines = shown.partition("Commands:")[2].splitlines()
    assert lines
    assert [line for line in lines if line.endswith("...")] == []
