"""Processes that work in a store."""

import subprocess
from pathlib import Path


def processes_of(store: Path) -> str:
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    )
    return "\n".join(line for line in listed.stdout.splitlines() if str(store) in line)
