"""The same `quantgate quantize` again: its result at once, while nothing that its plan was made of changed.

Importing this module costs a quarter of what planning a build imports.
"""

from collections.abc import Mapping

from quantgate.flows.build.repeating.finished import AskedCommand, finished_result
from quantgate.flows.cli.quantizing.telling import tell_result
from quantgate.flows.progress.board import open_board
from quantgate.flows.settings import Settings

_HOW_IT_IS_SHOWN = "as_json"


def asked(options: Mapping[str, object]) -> AskedCommand:
    """Return the command that these options ask for, however its result is to be shown."""
    return AskedCommand.now({n: value for n, value in options.items() if n != _HOW_IT_IS_SHOWN})


def told_again(command: AskedCommand, *, as_json: bool) -> int | None:
    """Print the result that this command ended with before, and return its exit code.

    None where a plan might come to something else: then there has to be one.

    Raises:
        InputError: where the environment names what there is not.
    """
    settings = Settings.from_environment()
    result = finished_result(command, settings)
    if result is None:
        return None
    with open_board() as board:
        board.say(f"store {settings.store.root}")
        board.say("everything is built, judged and registered already")
    return tell_result(result, as_json=as_json)
