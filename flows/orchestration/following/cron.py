"""Whether a text is a cron schedule that Prefect takes and that comes to pass, before any server is started.

Prefect's own reader decides, in a child process (`python -m …following.cron TEXT`): Prefect must not be
imported here before its server's address is known.
"""

import subprocess
import sys

from quantgate.pipelines.domain.errors import InputError

_TIMEOUT_SECONDS = 120.0
_REFUSED = 2


def require_cron(text: str) -> None:
    """Refuse what is no schedule, or one that never comes.

    Raises:
        InputError: with Prefect's reason.
    """
    asked = subprocess.run(
        [sys.executable, "-m", "quantgate.flows.orchestration.following.cron", text],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if asked.returncode == _REFUSED:
        raise InputError(
            f"'{text[:80]}' {asked.stdout.strip()}",
            where="--cron",
            next_step="five fields: minute, hour, day of the month, month, day of the week; "
            "'0 * * * *' is every hour",
        )


def problem_of(text: str) -> str | None:
    """Return what is wrong with a schedule in a few words, None where nothing is."""
    from prefect._internal.schemas.validators import validate_cron_string
    from prefect._vendor.croniter.croniter import CroniterBadDateError, croniter

    try:
        croniter(validate_cron_string(text)).get_next()  # type: ignore[no-untyped-call]  # it has no annotations
    except CroniterBadDateError:
        return "never comes"
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return "is no cron schedule"
    return None


if __name__ == "__main__":
    problem = problem_of(sys.argv[1])
    if problem is not None:
        print(problem)
        sys.exit(_REFUSED)
