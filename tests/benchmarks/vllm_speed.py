"""What a build says of a vLLM's speed, against `vllm bench serve` on the same server, in tokens a second.

Both send one request after the other, of the same numbers of tokens, and read its stream. Theirs are the
middle times to a first token and of each further one.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.openai.speed import ServerSpeedMeter
from quantgate.pipelines.engines.openai.versions import identified
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.benchmarks.measuring.random_llama import MIDDLE, random_llama
from tests.benchmarks.measuring.ratios import ROUNDS
from tests.benchmarks.speed import GENERATED_TOKENS, PROMPT_TOKENS, THREADS, show_rounds
from tests.support.fakes import FakeRuntime
from tests.support.servers.vllm import NO_VLLM, VLLM, running_vllm

_PROMPTS, _MILLISECONDS = 8, 1000.0


def run(store: Store) -> None:
    """Print tokens a second of prompts and of answers, ours and theirs, by turns."""
    if NO_VLLM is not None:
        print(f"vllm_speed: left out, {NO_VLLM}")
        return
    checkpoint = random_llama(MIDDLE, store)
    with running_vllm(checkpoint.folder, store.root / "vllm.log") as url:
        rounds = [
            (_ours(checkpoint.folder, url, store), _theirs(checkpoint.folder, url, store))
            for _ in range(ROUNDS)
        ]
    show_rounds("bfloat16", "vllm bench serve", rounds)


def _ours(folder: Path, url: str, store: Store) -> tuple[float, float]:
    formats = (Format.COMPRESSED_TENSORS,)
    server = identified(Server(name="vllm", engine="vllm", formats=formats, url=url))
    request = SpeedRequest(
        loadable=Loadable(path=folder, format=None),
        prompt=tuple(10 + place % 100 for place in range(PROMPT_TOKENS)),
        generated_tokens=GENERATED_TOKENS,
        threads=THREADS,
        log=store.root / "speed.log",
    )
    meter = ServerSpeedMeter(OpenAiServerRuntime(server, FakeRuntime()))
    sample = meter.sample(request, run_worker, ignore_progress)
    return sample.prompt_tokens_per_second, sample.generated_tokens_per_second


def _theirs(folder: Path, url: str, store: Store) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as results:
        command = [VLLM, "bench", "serve", "--backend", "openai", "--base-url", url]
        command += ["--endpoint", "/v1/completions", "--model", str(folder), "--ignore-eos"]
        command += ["--dataset-name", "random", "--random-input-len", str(PROMPT_TOKENS)]
        command += ["--random-output-len", str(GENERATED_TOKENS), "--num-prompts", str(_PROMPTS)]
        command += ["--max-concurrency", "1", "--num-warmups", "1", "--disable-tqdm"]
        command += ["--save-result", "--result-dir", results, "--result-filename", "result.json"]
        with (store.root / "bench.log").open("ab") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True)
        result = json.loads((Path(results) / "result.json").read_bytes())
    # Its prompts are texts, which may become some tokens more or less.
    prompt_tokens = result["total_input_tokens"] / result["completed"]
    return (
        prompt_tokens * _MILLISECONDS / result["median_ttft_ms"],
        _MILLISECONDS / result["median_tpot_ms"],
    )
