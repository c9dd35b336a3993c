"""Schedules are refused before any server is started, in a sentence."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.cli.main import main
from quantgate.flows.orchestration.following.cron import problem_of, require_cron
from quantgate.pipelines.domain.errors import InputError


@pytest.mark.parametrize(
    "text", ["0 * * * *", "*/15 8-18 * * mon-fri", "@hourly", "0 0 29 2 *", "0 0 L * *"]
)
def test_schedules_are_taken(text: str) -> None:
    assert problem_of(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "* * * *", "61 * * * *", "*/0 * * * *", "R R * * *", "@reboot", "x" * 10_000],
)
def test_what_is_no_schedule_is_said_to_be_none(text: str) -> None:
    assert problem_of(text) == "is no cron schedule"


def test_a_day_that_no_month_has_never_comes() -> None:
    assert problem_of("0 0 31 2 *") == "never comes"


def test_the_command_ends_with_one_sentence_and_starts_no_server(tmp_path: Path) -> None:
    environment = {"QUANTGATE_STORE": str(tmp_path / "store")}
    finished = CliRunner().invoke(main, ["serve", "--cron", "at noon"], env=environment)
    assert finished.exit_code == 2
    assert "--cron: 'at noon' is no cron schedule" in finished.output
    assert not (tmp_path / "store").exists()


def test_a_schedule_passes_in_silence() -> None:
    require_cron("0 * * * *")
    with pytest.raises(InputError, match="never comes"):
        require_cron("0 0 31 2 *")
