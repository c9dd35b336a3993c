"""Tasks of lm-evaluation-harness as suites: `lm-eval:gsm8k`, imported once into a suite folder."""

import importlib.metadata
import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.registrable import LONGEST_NAME
from quantgate.pipelines.domain.values import JsonObject, digest_of
from quantgate.pipelines.evaluation.lm_eval_messages import ExportCall, Exported, LmEvalTask
from quantgate.pipelines.files.records import to_json, write_text, write_together
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.files.sources import source_digest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import RunWorker, WorkerCall, ignore_progress
from quantgate.pipelines.suites.load import SUITE_FILE

PREFIX = "lm-eval:"
_NOT_IN_SUITE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_PACKAGE = "lm-eval"
_WORKERS = "quantgate.pipelines.evaluation.workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSuite:
    """What a folder of an imported task was made from."""

    task: LmEvalTask
    harness: str
    exported: Exported


def suite_folder(suite: Path, store: Store, run_worker: RunWorker) -> Path:
    """Return the folder that a suite is in; a reference such as `lm-eval:gsm8k` is imported on first use.

    Raises:
        ToolchainError: where the harness is needed and not installed.
        InputError: where it has no such task, or one that cannot be asked here.
    """
    if not suite.name.startswith(PREFIX):
        return suite
    task = LmEvalTask(name=suite.name.removeprefix(PREFIX))
    return import_task(task, store, run_worker)


def import_task(task: LmEvalTask, store: Store, run_worker: RunWorker) -> Path:
    """Return the sealed suite folder of a task.

    Raises:
        ToolchainError, InputError, WorkerError: see `suite_folder`.
    """
    harness = _harness()
    sources = source_digest(f"{_WORKERS}.lm_eval_export", alone=(__name__,))
    key = digest_of([to_json(task), harness, sources])
    name = f"lm-eval-{_NOT_IN_SUITE_NAMES.sub('-', task.name)}"[:LONGEST_NAME]
    folder = store.root / "suites" / f"{name}--{key[:16]}"

    def produce(staging: Path) -> ImportedSuite:
        call = WorkerCall(
            module=f"{_WORKERS}.lm_eval_export",
            request=ExportCall(task=task, items=staging / "items.jsonl"),
            log=store.logs / f"{folder.name}.log",
            threads=1,
        )
        exported = run_worker(call, Exported, ignore_progress).value
        write_text(staging / SUITE_FILE, _suite_text(task, name, exported, harness))
        return ImportedSuite(task=task, harness=harness, exported=exported)

    produce_once(folder, ImportedSuite, produce)
    return folder


def copy_suite(folder: Path, target: Path) -> None:
    """Copy an imported suite to where a team keeps and edits it.

    Raises:
        InputError: where the target is a suite already.
    """
    if (target / SUITE_FILE).exists():
        raise InputError(
            "there is a suite here already", where=str(target), next_step="name another folder"
        )
    names = (SUITE_FILE, "items.jsonl")
    write_together({target / name: (folder / name).read_bytes() for name in names})


def _harness() -> str:
    if importlib.util.find_spec("lm_eval") is None:
        raise ToolchainError(
            "lm-evaluation-harness is not installed", next_step="run `make setup-evals`"
        )
    return f"{_PACKAGE} {importlib.metadata.version(_PACKAGE)}"


def _suite_text(task: LmEvalTask, name: str, exported: Exported, harness: str) -> str:
    grader: JsonObject = {"kind": "lm_eval", "task": task.name}
    if task.include is not None:
        grader["include"] = str(task.include.resolve())
    versions = ", ".join(f"{package} {version}" for package, version in exported.versions.items())
    suite: JsonObject = {
        "name": name,
        "version": 1,
        "description": f"{exported.description} ({harness}; {versions})",
        "grader": grader,
        "decode": {"max_tokens": exported.max_tokens},
        "slices": {task_name: {"description": f"task {task_name}"} for task_name in exported.tasks},
    }
    return str(yaml.safe_dump(json.loads(json.dumps(suite)), sort_keys=False, allow_unicode=True))
