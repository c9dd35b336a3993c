"""`quantgate suite import`: a task of lm-evaluation-harness as a suite folder."""

from pathlib import Path

from quantgate.flows.settings import Settings
from quantgate.pipelines.authoring.lm_eval import PREFIX, copy_suite, suite_folder
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.process.runner import run_worker


def import_command(task: str, out: Path) -> int:
    """Import a task of lm-evaluation-harness as a suite folder; prints what to do next."""
    if not task.startswith(PREFIX):
        raise InputError(f"'{task}' is not {PREFIX}TASK", next_step=f"e.g. {PREFIX}gsm8k")
    copy_suite(suite_folder(Path(task), Settings.from_environment().store, run_worker), out)
    print(f"{out}: imported {task}")
    print(f"next: `quantgate suite check {out}`")
    return 0
