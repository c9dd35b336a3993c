"""Train the adapter: `python examples/smollm2/train/train.py --base CHECKPOINT`.

There are three courses, of 100, 40 and 30 steps. A course can be stopped at any time and goes on where it was
saved last when the same command is given again; `--minutes` ends a sitting by itself. Needs torch and
transformers.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

import torch
from accuracy import accuracy_by_slice, shown
from learner import COURSES, Learner
from support_desk import EXAMPLES

_SAVED_EVERY_SECONDS = 120
log = logging.getLogger("train")


def main() -> None:
    """Learn until the course or the sitting ends, then say what was learnt."""
    arguments = _parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    dtype = getattr(torch, arguments.dtype)
    learner = Learner(arguments.base, COURSES[arguments.course], dtype)
    if arguments.start is not None:
        learner.start_from(arguments.start)
    learner.resume(arguments.output)
    log.info("begins at step %d of %d", learner.step, learner.course.steps)
    _sit(learner, arguments)
    learner.save(arguments.output)
    if arguments.per_slice:
        for folder in (EXAMPLES / "smollm2" / "suite", EXAMPLES / "support-desk" / "suite"):
            accuracy = accuracy_by_slice(learner.model, arguments.base, folder, arguments.per_slice)
            log.info("step %d, %s: %s", learner.step, folder.parent.name, shown(accuracy))


def _sit(learner: Learner, arguments: argparse.Namespace) -> None:
    """Learn for so many minutes at most, saving every two."""
    started, began = time.monotonic(), time.process_time()
    saved, tokens = started, 0
    for result in learner.learn():
        now = time.monotonic()
        tokens += result.tokens
        log.info(
            "step %d: loss %.3f, %.0f tokens a CPU-second",
            result.step, result.loss, tokens / (time.process_time() - began),
        )  # fmt: skip
        if now - saved > _SAVED_EVERY_SECONDS:
            learner.save(arguments.output)
            saved = now
        if now - started > 60 * arguments.minutes:
            return


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="checkpoint without adapter")
    parser.add_argument("--output", type=Path, required=True, help="folder of adapter and state")
    parser.add_argument("--start", type=Path, help="adapter to go on from; else from none")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of this sitting")
    parser.add_argument("--course", choices=COURSES, default="first", help="what is learnt")
    parser.add_argument("--per-slice", type=int, default=10, help="items a slice asked at the end")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32",
        help="what frozen layers multiply in; all else is float32",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
