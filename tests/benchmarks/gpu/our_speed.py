"""How fast our meter finds a GGUF, as JSON: a program of its own, since only programs are ended in time.

Arguments: the file, how many tokens of prompt and of answer, threads, a log, and where the JSON is written.
"""

import json
import sys
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.llamacpp.speed import LlamaCppSpeedMeter
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker


def main() -> None:
    """Measure and write."""
    file, prompt_tokens, generated_tokens, threads, log, output = sys.argv[1:]
    request = SpeedRequest(
        loadable=Loadable(path=Path(file), format=Format.GGUF),
        prompt=tuple(1 + place % 100 for place in range(int(prompt_tokens))),
        generated_tokens=int(generated_tokens),
        threads=int(threads),
        log=Path(log),
    )
    sample = LlamaCppSpeedMeter().sample(request, run_worker, ignore_progress)
    Path(output).write_text(json.dumps(to_json(sample)))


if __name__ == "__main__":
    main()
