"""The speed of a GGUF in the real llama.cpp: figures that hang together, of a process that ends."""

import pytest

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.engines.llamacpp.speed import LlamaCppSpeedMeter
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.llamacpp.checkpoints import example_checkpoint, f16, work_folder

pytestmark = pytest.mark.integration

PROMPT = tuple(range(5, 45))


def test_a_prompt_is_read_faster_than_an_answer_is_written_and_memory_holds_the_file() -> None:
    file = f16(example_checkpoint())
    sample = LlamaCppSpeedMeter().sample(
        SpeedRequest(
            loadable=Loadable(path=file, format=Format.GGUF),
            prompt=PROMPT,
            generated_tokens=16,
            threads=1,
            log=work_folder() / "speed.log",
        ),
        run_worker,
        ignore_progress,
    )
    assert sample.prompt_tokens_per_second > sample.generated_tokens_per_second > 0
    assert sample.first_token_seconds == pytest.approx(
        len(PROMPT) / sample.prompt_tokens_per_second
    )
    assert sample.peak_memory_bytes is not None
    assert file.stat().st_size < sample.peak_memory_bytes < 1_000_000_000
