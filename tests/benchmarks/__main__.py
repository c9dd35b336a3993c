"""`make bench`: prints ratios, each measured within this run on this machine (docs/benchmarks.md).

Arguments are names of benchmarks; none stands for all. The exit code says whether they ran, not what they
measured: a machine that is busy otherwise misses targets.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.forking.client import FORK_SERVERS
from tests.benchmarks import (
    answering,
    answering_memory,
    contamination,
    conversion,
    corpora,
    divergence,
    drift,
    imatrix,
    judging,
    lookups,
    memory,
    oneshot,
    recipes,
    speed,
    transformers_answering,
    units,
    verdicts,
    vllm_speed,
)
from tests.benchmarks.commands import road, start_up
from tests.benchmarks.hosts import sharing, workers

BENCHMARKS: Mapping[str, Callable[[Store], None]] = {
    "start_up": start_up.run,
    "lookups": lookups.run,
    "road": road.run,
    "units": units.run,
    "answering": answering.run,
    "answering_memory": answering_memory.run,
    "transformers_answering": transformers_answering.run,
    "divergence": divergence.run,
    "conversion": conversion.run,
    "imatrix": imatrix.run,
    "oneshot": oneshot.run,
    "recipes": recipes.run,
    "speed": speed.run,
    "vllm_speed": vllm_speed.run,
    "memory": memory.run,
    "judging": judging.run,
    "verdicts": verdicts.run,
    "contamination": contamination.run,
    "drift": drift.run,
    "corpora": corpora.run,
    "sharing": sharing.run,
    "workers": workers.run,
}


def main() -> None:
    """Run the named benchmarks, each in an empty store of its own."""
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    # What forked workers share is started once a build: what is compared by itself pays for its own start.
    FORK_SERVERS.families = ()
    for name in names:
        with tempfile.TemporaryDirectory(prefix=f"quantgate-bench-{name}-") as scratch:
            BENCHMARKS[name](Store(root=Path(scratch)))


if __name__ == "__main__":
    main()
