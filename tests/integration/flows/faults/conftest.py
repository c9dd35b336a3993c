"""The table of all strikes, printed when the tests are over."""

import pytest

from tests.support.faults.table import STRIKES, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was struck, where anything was."""
    if STRIKES:
        terminalreporter.write_line("")
        terminalreporter.write_line(table(STRIKES))
