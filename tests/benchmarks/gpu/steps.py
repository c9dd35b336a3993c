"""The steps of the check, the most telling first; each may say why it has nothing."""

import json
import os
import shutil
import statistics
import subprocess
from dataclasses import replace
from pathlib import Path

from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.openai.log import reason_in
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.specs.recipes import find_recipes
from tests.benchmarks.gpu.builds import RECIPES, build_example, build_smollm2
from tests.benchmarks.gpu.check import Check, Step
from tests.benchmarks.gpu.journal import Budget, LeftOutError
from tests.benchmarks.gpu.programs import module, run_within
from tests.benchmarks.gpu.sealed import artifact, build_seconds, compared, runs
from tests.support.llamacpp.oracles import oracle
from tests.support.project import EXAMPLE, PROJECT

_PROMPT_TOKENS, _GENERATED_TOKENS, _THREADS = 128, 64, 1
_VLLM_RECIPES = ("FP8_DYNAMIC", "GPTQ", "NVFP4")
_VLLM_ON_CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
_VLLM_ON_GPU = {
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "VLLM_USE_DEEP_GEMM": "0",
    "VLLM_DEEP_GEMM_WARMUP": "skip",
}
"""Else it compiles kernels as it starts, which greedy answers and these schemes do not use."""
_LEAST_VLLM_SECONDS = 20.0


def example_on_device(check: Check) -> JsonObject:
    """Build and judge the example's five variants on the device."""
    return build_example(check, "example", check.device)


def example_on_cpu(check: Check) -> JsonObject:
    """Do the same on the CPU, and hold answers, divergence and time of both against each other."""
    built = build_example(check, "example-cpu", "cpu")
    beside = compared(check.store("example"), check.store("example-cpu"))
    return {**built, "device_beside_cpu": beside}


def smollm2_on_device(check: Check) -> JsonObject:
    """Build and judge variants of the 135-million model on the device."""
    return build_smollm2(check, "smollm2", check.device)


def smollm2_on_cpu(check: Check) -> JsonObject:
    """Do the same on the CPU, as far as time goes."""
    built = build_smollm2(check, "smollm2-cpu", "cpu")
    beside = compared(check.store("smollm2"), check.store("smollm2-cpu"))
    return {**built, "device_beside_cpu": beside}


def beside_llama_bench(check: Check) -> JsonObject:
    """Time the example's GGUF by our meter and by `llama-bench`, both with all layers on the device."""
    file = artifact(check.store("example"), RECIPES[0])
    if file is None:
        raise LeftOutError("the example's GGUF was not built")
    try:
        program = oracle("llama-bench")
    except FileNotFoundError as error:
        raise LeftOutError(str(error)) from error
    prompt_speed, answer_speed = _our_speeds(file, check)
    layers = "0" if check.device == "cpu" else "99"
    common = [str(program), "-m", str(file), "-t", str(_THREADS), "-ngl", layers, "-o", "json"]
    prompt = _tokens_a_second([*common, "-p", str(_PROMPT_TOKENS), "-n", "0"], check)
    answer = _tokens_a_second(
        [*common, "-p", "0", "-n", str(_GENERATED_TOKENS), "-d", str(_PROMPT_TOKENS)], check
    )
    return {
        "prompt_tokens_per_second": prompt_speed,
        "generated_tokens_per_second": answer_speed,
        "prompt_ratio": round(prompt_speed / prompt, 3),
        "generated_ratio": round(answer_speed / answer, 3),
    }


def _our_speeds(file: Path, check: Check) -> tuple[float, float]:
    """Prompt and generated tokens a second, by our meter."""
    output = check.folder / "speed.json"
    command = module("tests.benchmarks.gpu.our_speed", str(file))
    command += [str(count) for count in (_PROMPT_TOKENS, _GENERATED_TOKENS, _THREADS)]
    command += [str(check.folder / "speed-worker.log"), str(output)]
    environment = check.environment(check.device)
    run_within(command, check.budget.left_seconds, check.folder / "speed.log", environment)
    sample = json.loads(output.read_bytes())
    return sample["prompt_tokens_per_second"], sample["generated_tokens_per_second"]


def _tokens_a_second(command: list[str], check: Check) -> float:
    done = subprocess.run(
        [*command, "-r", "3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=max(1.0, check.budget.left_seconds),
        env=os.environ | check.bare_environment,
    )
    if done.returncode:
        raise LeftOutError(f"llama-bench: {' / '.join(done.stderr.strip().splitlines()[-2:])}")
    (row,) = json.loads(done.stdout)
    return float(statistics.median(row["samples_ts"]))


def beside_bare_oneshot(check: Check) -> JsonObject:
    """Build W4A16 by a plain script that calls `oneshot`, beside what our GPTQ took on the same base."""
    ours = build_seconds(check.store("example")).get("GPTQ")
    if ours is None:
        raise LeftOutError("the example's GPTQ was not built")
    (recipe,) = find_recipes(("W4A16--gptq",), Path())
    sealed = sorted(check.store("example").glob("checkpoints/*/calibration-*/tokens.jsonl"))
    if not sealed:
        raise LeftOutError("the example's corpus was not tokenized")
    output = check.folder / "bare-oneshot"
    shutil.rmtree(output, ignore_errors=True)
    command = module("tests.benchmarks.plain.oneshot", json.dumps(to_json(recipe.options)))
    command += [str(EXAMPLE / "checkpoint"), str(sealed[0]), str(output)]
    seconds = run_within(
        command,
        check.budget.left_seconds,
        check.folder / "oneshot.log",
        check.bare_environment | {"OMP_NUM_THREADS": str(_THREADS)},
    )
    return {
        "ours_seconds": ours,
        "bare_seconds": round(seconds, 1),
        "ratio": round(ours / seconds, 3),
    }


def beside_plain_vllm(check: Check) -> JsonObject:
    """Ask the example's prompts in plain vLLM, and hold its texts and time against our runs."""
    if check.vllm is None:
        raise LeftOutError("no program `vllm` is on PATH, and --vllm names none")
    rows: JsonObject = {}
    for place, recipe in enumerate(_VLLM_RECIPES):
        # One that hangs takes no other's share.
        share = check.budget.left_seconds / (len(_VLLM_RECIPES) - place)
        try:
            rows[recipe] = _in_vllm(recipe, replace(check, budget=Budget(share)))
        except LeftOutError as reason:
            rows[recipe] = f"{reason}{_told_by(_vllm_log(recipe, check))}"
    return rows


def _vllm_log(recipe: str, check: Check) -> Path:
    return check.folder / f"vllm-{recipe}.log"


def _told_by(log: Path) -> str:
    """Return what a vLLM's output says is the reason of its end, which stands far above its last lines."""
    return f"; {reason_in(log.read_text(errors='replace'))}" if log.is_file() else ""


def _in_vllm(recipe: str, check: Check) -> JsonObject:
    store, program = check.store("example"), Path(check.vllm or "")
    folder, run = artifact(store, recipe), runs(store).get(recipe)
    prompts = next(iter(store.glob(f"runs/*--{recipe}--*/prompts.jsonl")), None)
    if folder is None or run is None or prompts is None:
        raise LeftOutError("it was not judged")
    if check.budget.left_seconds < _LEAST_VLLM_SECONDS:
        raise LeftOutError(f"{check.budget.left_seconds:.0f} s were left for it")
    output = check.folder / f"vllm-{recipe}.json"
    script = PROJECT / "tests" / "benchmarks" / "plain" / "in_vllm.py"
    command = [str(program.resolve().parent / "python"), str(script)]
    environment = check.bare_environment | (_VLLM_ON_CPU if check.device == "cpu" else _VLLM_ON_GPU)
    run_within(
        [*command, str(folder), str(prompts), str(output)],
        check.budget.left_seconds,
        _vllm_log(recipe, check),
        environment,
    )
    said = json.loads(output.read_bytes())
    same = sum(run.texts.get(item) == text for item, text in said["texts"].items())
    return {
        "items": len(said["texts"]),
        "equal_answers": same,
        "vllm_seconds": said["seconds"],
        "transformers_over_vllm": round(run.seconds / said["seconds"], 2),
    }


STEPS = (
    Step(name="example", least_seconds=60, most_seconds=240, work=example_on_device),
    Step(name="llama-bench", least_seconds=10, most_seconds=30, work=beside_llama_bench),
    Step(name="oneshot", least_seconds=20, most_seconds=90, work=beside_bare_oneshot),
    Step(name="example on the CPU", least_seconds=60, most_seconds=240, work=example_on_cpu),
    Step(name="plain vLLM", least_seconds=60, most_seconds=180, work=beside_plain_vllm),
    Step(name="smollm2", least_seconds=60, most_seconds=240, work=smollm2_on_device),
    Step(name="smollm2 on the CPU", least_seconds=90, most_seconds=600, work=smollm2_on_cpu),
)
"""On the CPU standing in, the third and the last two would only repeat the first or take too long."""
REDUCED_STEPS = STEPS[:4]
