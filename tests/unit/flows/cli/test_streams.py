"""Standard streams that are closed, full or that nobody reads: the exit code is as documented."""

import subprocess
import sys
from pathlib import Path

import pytest

FOUND, NOT_FOUND, WRONG, UNWRITTEN, UNREAD = 0, 12, 2, 4, 141


@pytest.mark.parametrize(
    ("command", "streams", "code"),
    [
        ("lookup none", "2>&-", NOT_FOUND),
        ("lookup none", "2>/dev/full", NOT_FOUND),
        ("lookup none", "2> >(true)", NOT_FOUND),
        ("recipes", "<&- >&- 2>&-", FOUND),
        ("recipes", "> >(true)", UNREAD),
        ("recipes", ">/dev/full", UNWRITTEN),
        ("--help", "> >(true)", UNREAD),
        ("--help", ">/dev/full", UNWRITTEN),
        ("--version", ">/dev/full", UNWRITTEN),
        ("no-such-command", "2>/dev/full", WRONG),
    ],
)
def test_a_command_ends_as_documented(
    command: str, streams: str, code: int, tmp_path: Path
) -> None:
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m quantgate {command} {streams}'],
        env={"QUANTGATE_STORE": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr and "fault" not in ended.stderr
