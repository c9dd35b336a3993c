"""Waivers as the command line writes them."""

from datetime import UTC, date, datetime

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.verdicts.waiver import BaseDivergenceWaiver

BASE_DIVERGENCE = "base-divergence"
_WHOLE = f"--waive {BASE_DIVERGENCE} --reason TEXT --who NAME --until YYYY-MM-DD"


def parse_waiver(
    name: str | None, *, reason: str | None, who: str | None, until: str | None
) -> BaseDivergenceWaiver | None:
    """Return the waiver that these options make, None without any.

    Raises:
        InputError: where one of them is missing, empty or not what its name says, or the day is past.
    """
    if name is None and not (reason or who or until):
        return None
    if name != BASE_DIVERGENCE:
        problem = (
            f"there is no waiver called '{name}'" if name else "says nothing of what is waived"
        )
        raise InputError(problem, where="--waive", next_step=f"write {_WHOLE}")
    options = {"--reason": reason, "--who": who, "--until": until}
    missing = [option for option, value in options.items() if not (value or "").strip()]
    if missing:
        raise InputError(
            f"a waiver needs {' and '.join(missing)}", where="--waive", next_step=f"write {_WHOLE}"
        )
    expires = parse_day(str(until).strip())
    if expires < datetime.now(UTC).date():
        raise InputError(f"{expires} is past", where="--until", next_step="name a day to come")
    return BaseDivergenceWaiver(reason=str(reason).strip(), who=str(who).strip(), expires=expires)


def parse_expansion(reason: str | None) -> str | None:
    """Return the reason that `--expand` gives, None without the option.

    Raises:
        InputError: it says nothing.
    """
    if reason is None or reason.strip():
        return reason and reason.strip()
    raise InputError(
        "needs a reason, which everything that is made of it will say",
        where="--expand",
        next_step='write e.g. --expand "no wider one is published"',
    )


def parse_day(text: str) -> date:
    """Return the day that an option `--until` names.

    Raises:
        InputError: it is no date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"'{text}' is no date", where="--until", next_step="write it as 2026-12-31"
        ) from error
