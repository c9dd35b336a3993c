"""Whatever a command prints as JSON says its schema first, by the command's name."""

import ast
from dataclasses import dataclass

import click
from click.testing import CliRunner

from quantgate.flows.cli.views.versioned import versioned
from tests.support.project import PROJECT


@dataclass(frozen=True, slots=True)
class Answered:
    text: str


def printed(value: object, *names: str) -> object:
    """What is handed on where the command of these names runs."""
    seen: list[object] = []
    command: click.Command = click.Command(
        names[-1], callback=lambda: seen.append(versioned(value))
    )
    for name in reversed(("quantgate", *names[:-1])):
        command = click.Group(name, commands=[command])
    assert CliRunner().invoke(command, [*names]).exit_code == 0
    return seen[0]


def test_objects_and_nouns_begin_with_the_schema_of_their_command() -> None:
    assert printed({"a": 1}, "corpus", "diff") == {"schema": "quantgate.corpus-diff/1", "a": 1}
    assert printed(Answered("x"), "gc") == {"schema": "quantgate.gc/1", "text": "x"}


def test_what_says_its_schema_keeps_it() -> None:
    result = {"schema": "quantgate.result/1"}
    assert printed(result, "quantize") == result


def test_outside_of_a_command_nothing_is_added() -> None:
    assert versioned({"a": 1}) == {"a": 1}


def test_json_is_handed_to_print_in_two_modules_alone_and_never_as_a_list() -> None:
    printing = set[str]()
    for path in (PROJECT / "flows" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ("print_json", "print_plain_json"):
                assert not isinstance(node.args[0], ast.List | ast.ListComp | ast.Tuple), path
            if node.func.id == "print" and "json.dumps(" in ast.unparse(node):
                printing.add(path.name)
    assert printing == {"plain.py", "printing.py"}
