"""Builds judged in a real vLLM: what it loads and refuses, a base that it alters, and engines that die.

`make setup-vllm` makes the environment that they run; QUANTGATE_VLLM may name the program of another one.
docs/runtimes.md says which version was run, and with what result.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.builds.road import Road, leftovers, make_road
from tests.support.project import EXAMPLE, PROJECT
from tests.support.servers.gateway import Gateway, gateway
from tests.support.servers.vllm import NO_VLLM, VLLM, engines_of, running_vllm

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(NO_VLLM is not None, reason=str(NO_VLLM)),
]

SERVERS = """judge_in: vllm
servers:
  vllm:
    engine: vllm
    formats: [compressed-tensors]
    device: cpu
    compute_dtype: bfloat16
    concurrency: 16
    startup_timeout_seconds: 1200
    environment: {VLLM_CPU_KVCACHE_SPACE: "1", VLLM_CPU_OMP_THREADS_BIND: nobind, VLLM_NO_USAGE_STATS: "1"}
    command: >-
      PROGRAM serve {model} --host 127.0.0.1 --port {port} --dtype bfloat16 --enforce-eager
      --max-model-len {context} --max-num-seqs {slots}
"""
RECIPES = ("W4A16--gptq", "FP8_DYNAMIC", "W8A8", "NVFP4")
LONGEST_SECONDS = 3600


def run(road: Road, build: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run a build to its end, however long servers take to start here."""
    return subprocess.run(
        road.command("quantize", "--build", str(build), "--anyway", *options),
        cwd=PROJECT,
        env=road.environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def rows(road: Road, build: Path) -> dict[str, Any]:
    finished = run(road, build, "--json")
    assert finished.returncode in (0, 10, 11), finished.stderr
    assert "Traceback" not in finished.stderr, finished.stderr
    return {
        row["identifier"].partition("--")[2]: row for row in json.loads(finished.stdout)["variants"]
    }


def findings(row: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    return {one["check"]: (one["passed"], one["found"]) for one in row["audit"]["findings"]}


def sealed(road: Road) -> set[str]:
    """What is sealed of audits and runs."""
    return {
        str(path.parent.relative_to(road.store))
        for kind in ("audits", "runs")
        for path in (road.store / kind).glob("*/manifest.json")
    }


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A small copy of the example, whose Prefect server stays up between commands."""
    made = make_road(tmp_path_factory.mktemp("vllm"), RECIPES, items_a_slice=4)
    with (made.folder / "build.yaml").open("a") as build:
        build.write(SERVERS.replace("PROGRAM", VLLM))
    assert made.run("up").returncode == 0
    yield made
    assert made.run("down").returncode == 0


def variation(road: Road, name: str, *changes: tuple[str, str]) -> Path:
    """Another build file over the same suite and store."""
    text = (road.folder / "build.yaml").read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (road.folder / name).write_text(text)
    return road.folder / name


@pytest.fixture(scope="module")
def judged(road: Road) -> dict[str, Any]:
    return rows(road, road.folder / "build.yaml")


def test_what_vllm_loads_is_judged_and_what_it_has_no_kernel_for_fails_in_its_words(
    road: Road, judged: dict[str, Any]
) -> None:
    kinds = {"W4A16--gptq": "weight-only", "FP8_DYNAMIC": "native", "W8A8": "native"}
    for name, kind in kinds.items():
        found = findings(judged[name])
        assert judged[name]["decision"] in ("pass", "inconclusive"), judged[name]["verdict"]
        assert found["loads in vllm"] == (True, "yes")
        assert found["log probabilities of vllm are finite"] == (True, "yes")
        assert found["token ids of vllm equal the base's"][0]
        assert found["kernels of the server"][1].startswith(f"{kind}: "), found
    refused = findings(judged["NVFP4"])["loads in vllm"]
    assert judged["NVFP4"]["decision"] == "fail"
    assert not refused[0]
    assert "Failed to find a kernel that can implement the NVFP4 linear layer" in refused[1]
    assert leftovers(road.store) == []


def test_the_registry_holds_what_passed_with_its_kernels(
    road: Road, judged: dict[str, Any]
) -> None:
    passed = {name for name, row in judged.items() if row["decision"] == "pass"}
    assert passed and "NVFP4" not in passed
    found = road.run("lookup", "support-llama", "--suite", "support-desk", "--json")
    facts = json.loads(found.stdout)["facts"]
    assert facts["runtime"]["engine"] == "vllm"
    assert facts["runtime"]["kernels"] in ("weight-only", "native")


def test_one_server_serves_audit_and_run_of_a_file(road: Road, judged: dict[str, Any]) -> None:
    assert judged["W8A8"]["decision"] in ("pass", "inconclusive")
    logs = [path.read_text() for path in (road.store / "logs").glob("*W8A8*.server.log")]
    starts = sum(log.count("Started server process") for log in logs)
    assert starts == 1


def test_a_build_is_judged_alike_in_servers_that_run_behind_one_faulty_proxy(
    road: Road, judged: dict[str, Any]
) -> None:
    base = EXAMPLE / "checkpoint"
    (config,) = road.store.glob("variants/*--W8A8--*/**/config.json")
    log = road.folder / "running.log"
    with running_vllm(base, log) as of_base, running_vllm(config.parent, log) as of_variant:
        state = Gateway({"": of_base, str(config.parent): of_variant}, fault_every=9)
        with gateway(state) as url:
            begins, _, _ = SERVERS.partition("    startup_timeout_seconds")
            build = variation(
                road,
                "running.yaml",
                (SERVERS.replace("PROGRAM", VLLM), f"{begins}    url: {url}\n"),
                (", ".join(RECIPES), "W8A8"),
            )
            row = rows(road, build)["W8A8"]
    assert row["decision"] == judged["W8A8"]["decision"]
    assert findings(row)["token ids of vllm equal the base's"][0]
    assert all(count >= 2 for count in state.faults.values()), state.faults
    said = [texts for subject, texts in answers(road) if subject.endswith("W8A8")]
    assert len(said) == 2
    changed = [name for name in said[0] if said[0][name] != said[1][name]]
    assert len(changed) <= 1  # as other batches turn a near tie


def answers(road: Road) -> Iterator[tuple[str, dict[str, str]]]:
    """The texts of every sealed run, by its subject."""
    for manifest in (road.store / "runs").glob("*/manifest.json"):
        subject = json.loads(manifest.read_text())["record"]["plan"]["subject"]
        transcript = (manifest.parent / "transcript.jsonl").read_text().splitlines()
        yield subject, {row["item_id"]: row["text"] for row in map(json.loads, transcript)}


def test_a_setting_that_the_command_alters_makes_another_model_and_is_refused(road: Road) -> None:
    rope = '{"rope_parameters": {"rope_type": "default", "rope_theta": 100}}'
    build = variation(
        road,
        "altered.yaml",
        ("--max-num-seqs {slots}", f"--max-num-seqs {{slots}} --hf-overrides '{rope}'"),
        (", ".join(RECIPES), "W8A8"),
    )
    refused = run(road, build)
    said = refused.stdout + refused.stderr
    assert refused.returncode not in (0, 10, 11), said
    assert "vllm computes something else for this checkpoint" in said
    assert "likely --hf-overrides; recipes judged in vllm are refused" in said


def test_a_setting_of_the_checkpoint_that_vllm_reads_otherwise_is_refused(road: Road) -> None:
    """A Llama has no windows in transformers, whatever its configuration says; in vLLM it has."""
    text = (road.folder / "build.yaml").read_text()
    model = Path(text.partition("model: ")[2].partition("\n")[0])
    windowed = road.folder / "windowed"
    shutil.copytree(model, windowed)
    config = json.loads((windowed / "config.json").read_text())
    layers = ["sliding_attention"] * config["num_hidden_layers"]
    (windowed / "config.json").write_text(
        json.dumps(config | {"sliding_window": 40, "layer_types": layers})
    )
    build = variation(
        road, "windowed.yaml", (str(model), str(windowed)), (", ".join(RECIPES), "W8A8")
    )
    refused = run(road, build)
    said = refused.stdout + refused.stderr
    assert refused.returncode not in (0, 10, 11), said
    assert "likely sliding_window 40; recipes judged in vllm are refused" in said


def test_too_little_memory_for_the_kv_cache_is_an_error_and_never_a_finding(road: Road) -> None:
    before = sealed(road)
    build = variation(
        road,
        "memory.yaml",
        ('VLLM_CPU_KVCACHE_SPACE: "1"', 'VLLM_CPU_KVCACHE_SPACE: "4000"'),
        (", ".join(RECIPES), "W8A8"),
    )
    ended = run(road, build)
    said = ended.stdout + ended.stderr
    assert ended.returncode not in (0, 10, 11), said
    assert "less than requested memory for kv" in said
    assert sealed(road) == before


def test_an_engine_killed_while_it_loads_is_an_error_and_the_next_build_completes(
    road: Road,
) -> None:
    (road.folder / "once.yaml").write_text("reference_runs: 1\n")
    build = variation(
        road,
        "killed.yaml",
        (f"[{', '.join(RECIPES)}]", "[]"),
        ("corpus: corpus.yaml\n", ""),
        ("policy.yaml", "once.yaml"),
        ("concurrency: 16", "concurrency: 2"),
    )
    before = sealed(road)
    assert "vllm ended with exit code" in killed(road, build, "audit: base in vllm")
    assert sealed(road) == before
    assert run(road, build).returncode == 0
    assert any("runs/" in name for name in sealed(road) - before)
    assert leftovers(road.store) == []


def killed(road: Road, build: Path, line: str) -> str:
    """Kill the engine's process once a line was seen; return what was said to the end."""
    with road.start("quantize", "--build", str(build), "--anyway") as process:
        assert process.stderr is not None
        said = ""
        for told in process.stderr:
            said += told
            if told.startswith(line) and " done " not in told:
                break
        until = time.monotonic() + LONGEST_SECONDS
        while not (engines := engines_of(process.pid)):
            assert process.poll() is None and time.monotonic() < until, said
            time.sleep(0.1)
        os.kill(engines[0], signal.SIGKILL)
        output, rest = process.communicate(timeout=LONGEST_SECONDS)
        said += rest + output
    assert process.returncode not in (0, 10, 11), said
    assert "Traceback" not in said, said
    return said
