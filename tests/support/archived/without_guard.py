"""autoawq as it comes, whose backup of weights aliases them on a CPU: it exits 0 with corrupted weights.

For tests that plant this fault; no recipe and no flag of the product leads here. Give
`run_without_guard` to a backend in place of `run_worker`.
"""

from dataclasses import replace

from quantgate.pipelines.engines.archived.autoawq import WORKER
from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply
from quantgate.pipelines.process.runner import run_worker


def run_without_guard(
    call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
) -> WorkerReply[Reply]:
    """Run a worker, autoawq's with the package's own quantizer class."""
    module = "tests.support.archived.unguarded_worker" if call.module == WORKER else call.module
    return run_worker(replace(call, module=module), reply_type, on_progress)
