"""A build's result as it lies in a store, read back."""

import json
from pathlib import Path

from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.result import result_json
from quantgate.pipelines.report.stored.result_file import RESULT, StoredResult, read_result


def stored(report: BuildReport, folder: Path) -> StoredResult:
    """Write a report's result into a folder and read it back."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result_json(report), ensure_ascii=False)
    (folder / RESULT).write_text(text, encoding="utf-8")
    return read_result(folder)
