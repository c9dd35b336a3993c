"""For how long a server is asked again that may answer yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long one request is tried: `tries` at most, `total_seconds` of pauses at most."""

    tries: int = 6
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 20.0
    total_seconds: float = 120.0

    def longest_seconds(self, timeout_seconds: float) -> float:
        """Return for how long a request may go without an answer, each try of it ending at its timeout."""
        return self.tries * timeout_seconds + self.total_seconds
