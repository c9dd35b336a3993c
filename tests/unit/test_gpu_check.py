"""The check of a GPU: what was measured stands in its file however it ends, and it keeps to its time."""

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.pipelines.domain.values import JsonObject
from tests.benchmarks.gpu.__main__ import run_steps
from tests.benchmarks.gpu.check import Check, Step
from tests.benchmarks.gpu.journal import Budget, Journal, LeftOutError
from tests.benchmarks.gpu.programs import run_within
from tests.benchmarks.gpu.sealed import artifact, build_seconds, compared, divergences, summary
from tests.benchmarks.gpu.steps import STEPS, beside_plain_vllm
from tests.support.graphics import H200, SECOND_H200, machine_with


def check(folder: Path, seconds: float = 600) -> Check:
    return Check(folder=folder, device="cpu", budget=Budget(seconds))


def works(_: Check) -> JsonObject:
    return {"ratio": 2}


def says_why_not(_: Check) -> JsonObject:
    raise LeftOutError("nothing was built")


def breaks(_: Check) -> JsonObject:
    raise ZeroDivisionError("by zero")


def test_a_part_that_fails_is_told_and_fails_nothing_else(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "check.json", {"device": "cpu"})
    steps = [
        Step(name="refused", least_seconds=1, most_seconds=60, work=says_why_not),
        Step(name="broken", least_seconds=1, most_seconds=60, work=breaks),
        Step(name="long", least_seconds=10_000, most_seconds=60, work=works),
        Step(name="good", least_seconds=1, most_seconds=60, work=works),
    ]
    run_steps(steps, check(tmp_path), journal)
    written = json.loads(journal.file.read_text())
    assert written["facts"] == {"device": "cpu"}
    assert written["steps"]["good"]["ratio"] == 2
    assert written["left_out"]["refused"] == "nothing was built"
    assert written["left_out"]["broken"] == "ZeroDivisionError: by zero"
    assert "s were left" in written["left_out"]["long"]


def test_what_was_measured_is_written_before_the_next_step_begins(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "check.json", {})

    def cut_off(_: Check) -> JsonObject:
        assert "first" in json.loads(journal.file.read_text())["steps"]
        raise KeyboardInterrupt

    steps = [
        Step(name="first", least_seconds=0, most_seconds=60, work=works),
        Step(name="next", least_seconds=0, most_seconds=60, work=cut_off),
    ]
    with pytest.raises(KeyboardInterrupt):
        run_steps(steps, check(tmp_path), journal)
    assert list(json.loads(journal.file.read_text())["steps"]) == ["first"]


def test_steps_have_names_of_their_own_and_fit_into_ten_minutes() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert sum(step.least_seconds for step in STEPS) <= 600
    assert all(step.least_seconds <= step.most_seconds for step in STEPS)


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    grandchild = f"import time, pathlib; time.sleep(11); pathlib.Path({str(alive)!r}).touch()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    began = time.monotonic()
    with pytest.raises(LeftOutError, match="cut off after 1 s"):
        run_within([sys.executable, "-c", script], 9, tmp_path / "log", {})
    assert time.monotonic() - began < 9
    assert not alive.exists()


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(LeftOutError, match="ended with exit code 3: no device"):
        run_within(
            [sys.executable, "-c", "print('no device'); raise SystemExit(3)"],
            60,
            tmp_path / "log",
            {},
        )


def test_bare_programs_see_the_gpu_that_was_chosen_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine_with(monkeypatch, tmp_path, [H200, SECOND_H200])
    monkeypatch.setenv("QUANTGATE_DEVICE", "cuda:1")
    assert check(tmp_path).bare_environment["CUDA_VISIBLE_DEVICES"] == SECOND_H200.uuid


def test_without_a_program_of_vllm_the_step_says_so(tmp_path: Path) -> None:
    with pytest.raises(LeftOutError, match="--vllm"):
        beside_plain_vllm(check(tmp_path))


def test_a_recipe_that_vllm_does_not_load_is_told_and_the_next_is_asked(tmp_path: Path) -> None:
    store = sealed(tmp_path / "example", "cpu", 2.0, ("a",), 0.5)
    for recipe in ("FP8_DYNAMIC", "GPTQ"):
        for kind, number in (("runs", 1), ("variants", 3)):
            copied = store / kind / f"base--{recipe}--{number}"
            shutil.copytree(store / kind / f"base--Q8_0--{number}", copied)
            manifest = copied / "manifest.json"
            manifest.write_text(manifest.read_text().replace("Q8_0", recipe))
        (store / "runs" / f"base--{recipe}--1" / "prompts.jsonl").touch()
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho no kernel for $2; exit 3\n")
    python.chmod(0o755)
    rows = beside_plain_vllm(replace(check(tmp_path), vllm=str(python.with_name("vllm"))))
    for recipe in ("FP8_DYNAMIC", "GPTQ"):
        assert str(rows[recipe]).startswith("ended with exit code 3: no kernel for /")
        assert recipe in str(rows[recipe])
    assert rows["NVFP4"] == "it was not judged"


def sealed(store: Path, device: str, seconds: float, texts: tuple[str, ...], kl: float) -> Path:
    """A store with one judged variant, in the form in which builds seal them."""
    contract: JsonObject = {"runtime": {"device": device}, "schedule": {"order_seed": 0}}
    _seal(
        store / "runs" / "base--Q8_0--1",
        {"plan": {"subject": "base--Q8_0", "contract": contract}, "seconds": seconds},
    )
    rows = [{"item_id": str(at), "text": text} for at, text in enumerate(texts)]
    transcript = store / "runs" / "base--Q8_0--1" / "transcript.jsonl"
    transcript.write_text("\n".join(map(json.dumps, rows)))
    _seal(store / "audits" / "base--Q8_0--2", {"report": {"divergence": {"mean_kl": kl}}})
    plan: JsonObject = {"identifier": "base--Q8_0"}
    _seal(
        store / "variants" / "base--Q8_0--3",
        {"plan": plan, "facts": {"seconds": 4.0}, "artifact": "files/model.gguf"},
    )
    return store


def _seal(folder: Path, record: JsonObject) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"record": record}))


def test_two_devices_are_compared_by_what_their_stores_hold(tmp_path: Path) -> None:
    gpu = sealed(tmp_path / "gpu", "NVIDIA H200", 2.0, ("a", "b", "c"), 0.5)
    cpu = sealed(tmp_path / "cpu", "cpu", 8.0, ("a", "b", "x"), 0.4)
    assert compared(gpu, cpu)["Q8_0"] == {
        "items": 3,
        "equal_answers": 2,
        "answering_time_ratio": 0.25,
        "mean_kl": 0.5,
        "mean_kl_there": 0.4,
    }
    assert summary(gpu)["Q8_0"] == {
        "device": "NVIDIA H200",
        "answering_seconds": 2.0,
        "items": 3,
        "mean_kl": 0.5,
        "build_seconds": 4.0,
    }
    assert artifact(gpu, "Q8_0") == gpu / "variants" / "base--Q8_0--3" / "files" / "model.gguf"
    assert artifact(gpu, "Q2_K") is None


def test_an_empty_store_tells_nothing(tmp_path: Path) -> None:
    assert (summary(tmp_path), divergences(tmp_path), build_seconds(tmp_path)) == ({}, {}, {})
