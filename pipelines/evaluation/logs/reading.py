"""Whose log a path is, told by what it holds."""

from pathlib import Path

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.evaluation.logs.answers import LoggedRun, logged_run
from quantgate.pipelines.evaluation.logs.inspect_log import inspect_run, is_inspect, read_inspect
from quantgate.pipelines.evaluation.logs.lines import json_document, json_lines
from quantgate.pipelines.evaluation.logs.lm_eval import is_lm_eval, read_lm_eval, sample_files
from quantgate.pipelines.evaluation.logs.plain import read_plain
from quantgate.pipelines.evaluation.logs.promptfoo import is_promptfoo, read_promptfoo
from quantgate.pipelines.files.reading import holds_file, read_text

_LARGEST_LOG_BYTES = 1 << 30

_READ = (
    "what is read: logs of lm-evaluation-harness (--log_samples), inspect-ai (.eval), promptfoo (-o), JSON "
    "lines with `id` and `answer`, and runs of a store"
)


def read_log(path: Path) -> LoggedRun:
    """Read a log of lm-evaluation-harness, inspect-ai or promptfoo, or plain JSON lines.

    `FILE#PROVIDER` names one of several providers in promptfoo's results.

    Raises:
        InputError: it is none of them, or is damaged.
        ToolchainError: a package that unpacks it is not installed.
    """
    file, provider = _parted(path)
    if file.is_dir():
        files = sample_files(file)
        if not files:
            raise InputError(
                "is no finished run, and holds no samples_*.jsonl", where=str(file), next_step=_READ
            )
        return logged_run(read_lm_eval(files, file))
    if not holds_file(file):
        raise InputError("there is no such file", where=str(file), next_step=_READ)
    if file.suffix == ".eval":
        return logged_run(read_inspect(file))
    if file.suffix == ".json":
        return logged_run(_document(file, provider))
    first = next(json_lines(file), {})
    return logged_run(read_lm_eval((file,), file) if is_lm_eval(first) else read_plain(file))


def _document(path: Path, provider: str) -> LoggedRun:
    document: JsonObject = json_document(read_text(path, _LARGEST_LOG_BYTES), str(path))
    if is_promptfoo(document):
        return read_promptfoo(document, path, provider)
    if is_inspect(document):
        samples = document["samples"]
        return inspect_run(document, samples if isinstance(samples, list) else [], path)
    raise InputError("is a log of no tool that is known here", where=str(path), next_step=_READ)


def _parted(path: Path) -> tuple[Path, str]:
    """`FILE#PROVIDER`; a `#` in the name of a file that is there is its own."""
    name, mark, provider = str(path).partition("#")
    return (path, "") if not mark or path.exists() else (Path(name), provider)
