"""Where the project and its example stand; nothing else in tests counts folders upwards."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "examples" / "support-desk"
