"""Text that can be stored: whatever a model says has to fit in a UTF-8 file."""

_SHORT_LENGTH = 60


def storable(text: str) -> str:
    r"""Return `text` with lone surrogates spelled as `\udXXX`, which UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(text: str) -> str:
    """Return at most 60 characters of `text`, saying how many were left out."""
    if len(text) <= _SHORT_LENGTH:
        return text
    return f"{text[:_SHORT_LENGTH]}… ({len(text) - _SHORT_LENGTH} more characters)"
