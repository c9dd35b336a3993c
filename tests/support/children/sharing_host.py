"""A host in a process of its own: makes folders that the environment's shared store may have, and says which.

`python -m tests.support.children.sharing_host SECONDS FOLDER…`: each folder takes so long to make.
"""

import sys
import time
from functools import partial
from pathlib import Path

from quantgate.flows.build.sharing.opening import attach_shared_store
from quantgate.flows.settings import Settings
from quantgate.pipelines.files.sealed import produce_once
from quantgate.pipelines.process.signals import children_end_first


def make(folder: str, seconds: float, staging: Path) -> str:
    say(f"makes {folder}")
    time.sleep(seconds)
    (staging / "answers").write_text(folder * 1000)
    return folder


def say(text: str) -> None:
    print(text, flush=True)


def work(seconds: float, folders: list[str]) -> None:
    settings = Settings.from_environment()
    attach_shared_store(settings, say)
    with children_end_first():  # as every command does
        for folder in folders:
            produce_once(settings.store.root / folder, str, partial(make, folder, seconds))
    say("done")


if __name__ == "__main__":
    work(float(sys.argv[1]), sys.argv[2:])
