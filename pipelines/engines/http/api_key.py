"""API keys as headers carry them."""

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.secrets import Secret


def header_secret(value: str, variable: str, where: str) -> Secret:
    """Return a key that goes into a header.

    Raises:
        InputError: where it holds what no header can carry: a line break, spaces at its ends, letters that
            are not ASCII.
    """
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        raise InputError(
            f"the environment variable {variable} holds a line break, a space at its end or letters that are "
            "not ASCII: no header can carry it",
            where=where,
            next_step="set it to the key alone",
        )
    return Secret(value)
