"""The steps of the check, the most telling first; each may say why it has nothing."""

import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quantgate.flows.build.outcome import ALL_FAILED, OPEN, PASSED
from quantgate.pipelines.domain.recipe import Format
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.engines.llamacpp.speed import LlamaCppSpeedMeter
from quantgate.pipelines.engines.requests import Loadable
from quantgate.pipelines.engines.timing.meter import SpeedRequest
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import ignore_progress
from quantgate.pipelines.process.devices.engines import llamacpp_lacks, torch_lacks
from quantgate.pipelines.process.devices.placement import device_environment
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.recipes import find_recipes
from tests.benchmarks.gpu.journal import Budget, LeftOutError
from tests.benchmarks.gpu.programs import module, run_within
from tests.benchmarks.gpu.sealed import artifact, build_seconds, compared, runs, summary
from tests.support.builds.road import make_road
from tests.support.llamacpp.oracles import oracle
from tests.support.project import EXAMPLE, PROJECT

RECIPES = ("Q4_K_M--imatrix", "AWQ", "GPTQ", "FP8_DYNAMIC", "NVFP4")
SMOLLM2_RECIPES = ("Q4_K_M--imatrix", "AWQ--g64", "GPTQ--g64", "FP8_DYNAMIC", "NVFP4")
SMOLLM2 = PROJECT / "examples" / "smollm2"
_PROMPT_TOKENS, _GENERATED_TOKENS, _THREADS = 128, 64, 1
_JUDGED = (PASSED, ALL_FAILED, OPEN)
"""Verdicts are values, whatever they say."""
_VLLM_RECIPES = ("FP8_DYNAMIC", "GPTQ", "NVFP4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What all steps share: a folder for stores and logs, the device that is looked at, the time left.

    `items_a_slice` reduces the example to so many items of each slice; None asks all of them.
    """

    folder: Path
    device: str
    budget: Budget
    items_a_slice: int | None = None
    vllm: str | None = None

    def store(self, name: str) -> Path:
        """Return where a build keeps what it makes."""
        return self.folder / name

    def environment(self, device: str) -> dict[str, str]:
        """Return what a child gets that computes on a device."""
        return {"QUANTGATE_DEVICE": device, "PYTHONPATH": str(PROJECT)}

    @property
    def bare_environment(self) -> dict[str, str]:
        """Return what a program of others gets: it sees the device that was chosen, and no other."""
        return {"PYTHONPATH": str(PROJECT), **device_environment()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of the check: not begun below `least_seconds`, and given `most_seconds` of ten minutes."""

    name: str
    least_seconds: float
    most_seconds: float
    work: Callable[[Check], JsonObject]


def example_on_device(check: Check) -> JsonObject:
    """Build and judge the example's five variants on the device."""
    return _build(check, "example", _example(check), RECIPES, check.device)


def example_on_cpu(check: Check) -> JsonObject:
    """Do the same on the CPU, and hold answers, divergence and time of both against each other."""
    built = _build(check, "example-cpu", _example(check), RECIPES, "cpu")
    beside = compared(check.store("example"), check.store("example-cpu"))
    return {**built, "device_beside_cpu": beside}


def smollm2_on_device(check: Check) -> JsonObject:
    """Build and judge variants of the 135-million model on the device."""
    return _build(check, "smollm2", _smollm2(), SMOLLM2_RECIPES, check.device)


def smollm2_on_cpu(check: Check) -> JsonObject:
    """Do the same on the CPU, as far as time goes."""
    built = _build(check, "smollm2-cpu", _smollm2(), SMOLLM2_RECIPES, "cpu")
    beside = compared(check.store("smollm2"), check.store("smollm2-cpu"))
    return {**built, "device_beside_cpu": beside}


def _example(check: Check) -> Path:
    if check.items_a_slice is None:
        return EXAMPLE / "build.yaml"
    reduced = check.folder / "reduced"
    if not reduced.exists():
        make_road(reduced, RECIPES, check.items_a_slice)
    return reduced / "build.yaml"


def _smollm2() -> Path:
    if not (SMOLLM2 / "made" / "base").is_dir():
        raise LeftOutError("its base was not made: run examples/smollm2/train/prepare.py before")
    return SMOLLM2 / "build.yaml"


def _build(
    check: Check, name: str, build: Path, recipes: tuple[str, ...], device: str
) -> JsonObject:
    """Run one build in a store of its own; what it sealed counts, also where it is cut off."""
    store, log = check.store(name), check.folder / f"{name}.log"
    command = module("quantgate", "quantize", "--build", str(build), "--anyway")
    command += ["--recipes", ",".join(_usable(recipes, device)), "--quiet"]
    environment = check.environment(device) | {"QUANTGATE_STORE": str(store)}
    ending: JsonObject = {}
    try:
        ending["wall_seconds"] = round(
            run_within(command, check.budget.left_seconds, log, environment, _JUDGED), 1
        )
    except LeftOutError as reason:
        ending["ended"] = str(reason)
    rows = summary(store)
    if not rows:
        raise LeftOutError(str(ending.get("ended", "nothing was sealed")))
    return {**ending, "variants": rows}


def _usable(recipes: tuple[str, ...], device: str) -> tuple[str, ...]:
    """Leave out what the engine of cannot use the device: the others are worth measuring."""
    lacks = (None, None) if device == "cpu" else (llamacpp_lacks(), torch_lacks())
    names = tuple(
        recipe.name
        for recipe in find_recipes(recipes, Path())
        if lacks[recipe.format is not Format.GGUF] is None
    )
    if not names:
        raise LeftOutError("; ".join(lack for lack in lacks if lack))
    return names


def beside_llama_bench(check: Check) -> JsonObject:
    """Time the example's GGUF by our meter and by `llama-bench`, both with all layers on the device."""
    file = artifact(check.store("example"), RECIPES[0])
    if file is None:
        raise LeftOutError("the example's GGUF was not built")
    try:
        program = oracle("llama-bench")
    except FileNotFoundError as error:
        raise LeftOutError(str(error)) from error
    request = SpeedRequest(
        loadable=Loadable(path=file, format=Format.GGUF),
        prompt=tuple(1 + place % 100 for place in range(_PROMPT_TOKENS)),
        generated_tokens=_GENERATED_TOKENS,
        threads=_THREADS,
        log=check.folder / "speed.log",
    )
    ours = LlamaCppSpeedMeter().sample(request, run_worker, ignore_progress)
    layers = "0" if check.device == "cpu" else "99"
    common = [str(program), "-m", str(file), "-t", str(_THREADS), "-ngl", layers, "-o", "json"]
    prompt = _tokens_a_second([*common, "-p", str(_PROMPT_TOKENS), "-n", "0"], check)
    answer = _tokens_a_second(
        [*common, "-p", "0", "-n", str(_GENERATED_TOKENS), "-d", str(_PROMPT_TOKENS)], check
    )
    return {
        "prompt_tokens_per_second": ours.prompt_tokens_per_second,
        "generated_tokens_per_second": ours.generated_tokens_per_second,
        "prompt_ratio": round(ours.prompt_tokens_per_second / prompt, 3),
        "generated_ratio": round(ours.generated_tokens_per_second / answer, 3),
    }


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
    python = Path(check.vllm).resolve().parent / "python"
    rows: JsonObject = {}
    for recipe in _VLLM_RECIPES:
        folder, run = (
            artifact(check.store("example"), recipe),
            runs(check.store("example")).get(recipe),
        )
        prompts = next(
            iter(check.store("example").glob(f"runs/*--{recipe}--*/prompts.jsonl")), None
        )
        if folder is None or run is None or prompts is None:
            rows[recipe] = "it was not judged"
            continue
        output = check.folder / f"vllm-{recipe}.json"
        script = PROJECT / "tests" / "benchmarks" / "plain" / "in_vllm.py"
        command = [str(python), str(script), str(folder), str(prompts), str(output)]
        try:
            run_within(
                command,
                check.budget.left_seconds,
                check.folder / "vllm.log",
                check.bare_environment,
            )
        except LeftOutError as reason:
            rows[recipe] = str(reason)
            continue
        said = json.loads(output.read_bytes())
        same = sum(run.texts.get(item) == text for item, text in said["texts"].items())
        rows[recipe] = {
            "items": len(said["texts"]),
            "equal_answers": same,
            "vllm_seconds": said["seconds"],
            "transformers_over_vllm": round(run.seconds / said["seconds"], 2),
        }
    return rows


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
