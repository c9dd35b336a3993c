"""Sizes as they stand in tables on a terminal."""


def megabytes(size_bytes: int) -> str:
    """Return a size as people read it (decimal units)."""
    if size_bytes >= 1_000_000_000:
        return f"{size_bytes / 1e9:.2f} GB"
    return f"{size_bytes / 1e6:.2f} MB"
