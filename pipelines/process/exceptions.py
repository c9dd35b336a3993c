"""What an exception of foreign code says: its kind and its words, or where it arose if it has none."""

import traceback


def words_of(error: BaseException) -> str:
    """Return "Kind: words" on one line; without words, the line of source that raised it (assertions)."""
    words = " ".join(str(error).split())
    if not words and (frames := traceback.extract_tb(error.__traceback__)):
        words = f"{frames[-1].line} ({frames[-1].name})"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
