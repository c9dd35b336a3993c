"""The table of all strikes.

`python -m tests.support.faults.table FILE… DOCUMENT` writes the table of files of strikes into a document, in
place of the one that stands there.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_VARIABLE = "QUANTGATE_FAULTS_FILE"
"""Names the file that strikes are appended to, a line of JSON each."""

_SAID_CHARACTERS = 1500
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault at a stage; `code` is the command's exit code, negative for a signal's number.

    `said` is how what the command said ends.
    """

    fault: str
    stage: str
    code: int
    said: str = ""


STRIKES: list[Strike] = []


def note(fault: str, stage: str, code: int, said: str = "") -> None:
    """Remember a strike, and write it down where a file is named."""
    STRIKES.append(Strike(fault=fault, stage=stage, code=code, said=said[-_SAID_CHARACTERS:]))
    if file := os.environ.get(FILE_VARIABLE):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(asdict(STRIKES[-1])) + "\n")


def table(strikes: list[Strike]) -> str:
    """Return strikes as a table in Markdown: a row a fault."""
    rows = ["| fault | points | at | the command ended with |", "|---|---|---|---|"]
    for fault in dict.fromkeys(strike.fault for strike in strikes):
        of_fault = [strike for strike in strikes if strike.fault == fault]
        stages = ", ".join(
            dict.fromkeys(strike.stage.removesuffix(" 1/").rstrip(":") for strike in of_fault)
        )
        codes = ", ".join(map(str, sorted({strike.code for strike in of_fault})))
        rows.append(f"| {fault} | {len(of_fault)} | {stages} | {codes} |")
    rows.append(f"| **all** | **{len(strikes)}** | | |")
    return "\n".join(rows) + "\n"


def write_table(files: Sequence[Path], document: Path) -> None:
    """Write the table of files of strikes into a document."""
    lines = [line for file in files for line in file.read_text().splitlines()]
    written = table([Strike(**json.loads(line)) for line in lines])
    document.write_text(_TABLE.sub(lambda _: written, document.read_text(), count=1))


if __name__ == "__main__":
    *files, document = map(Path, sys.argv[1:])
    write_table(files, document)
