"""CI templates: valid, alike in what they hand on, and their steps give a verdict, files and exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.support.project import PROJECT

CI = PROJECT / ".ci"
ACTION: dict[str, Any] = yaml.safe_load((CI / "action" / "action.yml").read_text())
GITLAB: dict[str, Any] = yaml.safe_load((CI / "gitlab.yml").read_text())
INPUT = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")
ITEMS = 40


def log(path: Path, broken: int) -> Path:
    rows = [
        {"id": f"q{n}", "answer": str(n), "correct": n >= broken, "category": "odd" if n % 2 else "even"}
        for n in range(ITEMS)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def inputs(**given: str) -> dict[str, str]:
    return {
        name: given.get(name.replace("-", "_"), str(entry.get("default", "")))
        for name, entry in ACTION["inputs"].items()
    }


def run_judge_step(folder: Path, **given: str) -> tuple[int, dict[str, str], str]:
    """Run the action's second step as GitHub would; return exit code, outputs and the job's summary."""
    values = inputs(**given)
    step = ACTION["runs"]["steps"][1]
    environment = {
        name: INPUT.sub(lambda match: values[match[1]], text) for name, text in step["env"].items()
    }
    outputs, summary = folder / "outputs", folder / "summary"
    finished = subprocess.run(
        ["bash", "-c", step["run"]],
        env={
            **environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "QUANTGATE_STORE": str(folder / "store"),
            "GITHUB_ACTION_PATH": str(CI / "action"),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    lines = outputs.read_text().splitlines() if outputs.exists() else []
    told = dict(line.split("=", 1) for line in lines)
    return finished.returncode, told, summary.read_text() if summary.exists() else ""


def test_every_input_of_the_action_is_used_and_every_output_is_one_of_its_steps() -> None:
    text = json.dumps(ACTION["runs"])
    assert set(INPUT.findall(text)) == set(ACTION["inputs"])
    values = [entry["value"] for entry in ACTION["outputs"].values()]
    named = [re.findall(r"steps\.judge\.outputs\.([a-z-]+)", value) for value in values]
    script = (CI / "verdict").read_text()
    assert all(len(names) == 1 and f"{names[0]}=%s" in script for names in named)
    assert all(step["shell"] == "bash" for step in ACTION["runs"]["steps"])


def test_the_script_reads_what_it_names_and_is_sound_bash() -> None:
    script = (CI / "verdict").read_text()
    comment, _, body = script.partition("\nset ")
    assert set(re.findall(r"QUANTGATE_[A-Z]+", body)) == set(
        re.findall(r"QUANTGATE_[A-Z]+", comment)
    )
    handed = {name for step in ACTION["runs"]["steps"] for name in step["env"]} - {"EXTRA"}
    assert handed <= set(re.findall(r"QUANTGATE_[A-Z_]+", comment))
    subprocess.run(["bash", "-n", str(CI / "verdict")], check=True)


def test_gitlabs_job_runs_the_same_script_and_shows_its_junit() -> None:
    job = GITLAB[".quantgate-verdict"]
    for line in (*job["before_script"], *job["script"]):
        subprocess.run(["bash", "-n", "-c", line], check=True)
    assert job["script"] == ['"$QUANTGATE_SOURCE/.ci/verdict"']
    assert job["artifacts"]["reports"]["junit"] == "$QUANTGATE_OUTPUT/junit.xml"
    assert job["artifacts"]["paths"] == ["$QUANTGATE_OUTPUT"]


def test_gitlabs_job_clones_the_ref_that_is_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "source"
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(source))
    subprocess.run(["git", "init", "--quiet", "-b", "main", str(source)], check=True)
    for ref in ("v1", "v2"):
        (source / "ref").write_text(ref)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", ref], check=True)
        subprocess.run([*git, "tag", ref], check=True)
    target = tmp_path / "target"
    clone = GITLAB[".quantgate-verdict"]["before_script"][0].replace("/tmp/quantgate", str(target))
    finished = subprocess.run(
        ["bash", "-c", f'{clone}; cat "$QUANTGATE_SOURCE/ref"'],
        env=os.environ | {"QUANTGATE_SOURCE": f"file://{source}", "QUANTGATE_REF": "v1"},
        capture_output=True,
        text=True,
    )
    assert finished.stdout == "v1", finished.stderr


def test_the_snippets_for_gitlab_say_where_quantgate_comes_from_and_at_which_ref() -> None:
    document = (PROJECT / "docs" / "ci.md").read_text().partition("## GitLab\n```yaml\n")[2]
    comment = (CI / "gitlab.yml").read_text().partition(".quantgate-verdict:\n")[0]
    header = "\n".join(line.removeprefix("#").removeprefix("   ") for line in comment.splitlines())
    for snippet in (document.partition("```")[0], header.partition("\n\n")[2]):
        asked = yaml.safe_load(snippet)
        assert asked["judge"]["variables"]["QUANTGATE_REF"] == asked["include"]["ref"]
        assert asked["include"]["project"] in asked["judge"]["variables"]["QUANTGATE_SOURCE"]


@pytest.mark.parametrize(
    ("broken", "allow", "code", "verdict"),
    [(0, "false", 0, "pass"), (9, "false", 10, "fail"), (2, "false", 11, "inconclusive"),
     (2, "true", 0, "inconclusive")],
)  # fmt: skip
def test_the_actions_step_gives_verdict_files_and_exit_code(
    tmp_path: Path, broken: int, allow: str, code: int, verdict: str
) -> None:
    found, told, summary = run_judge_step(
        tmp_path,
        reference=str(log(tmp_path / "a.jsonl", 0)),
        variant=str(log(tmp_path / "b.jsonl", broken)),
        allow_inconclusive=allow,
    )
    assert (found, told["verdict"]) == (code, verdict)
    assert f"quantgate: b: **{verdict}**" in summary
    suite = ElementTree.parse(tmp_path / told["output"] / "junit.xml").getroot()
    assert [case.get("name") for case in suite] == ["all", "even", "odd", "verdict"]
    assert int(suite.get("failures", "")) > 0 if verdict == "fail" else suite.get("failures") == "0"
    value = json.loads((tmp_path / told["output"] / "result.json").read_text())
    assert value["decision"] == verdict


def test_trouble_is_an_error_and_not_a_verdict(tmp_path: Path) -> None:
    code, told, summary = run_judge_step(
        tmp_path, reference=str(tmp_path / "nowhere"), variant=str(tmp_path / "nowhere")
    )
    assert (code, told["verdict"], summary) == (2, "error", "")
    assert run_judge_step(tmp_path)[0] == 2


@pytest.mark.parametrize(("code", "verdict"), [(5, "error"), (10, "fail"), (0, "none")])
def test_a_build_of_which_units_failed_is_an_error_whatever_its_result_says(
    tmp_path: Path, code: int, verdict: str
) -> None:
    decision = "null" if code == 0 else '"fail"'
    program = tmp_path / "bin" / "quantgate"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho \'{{"decision": {decision}, "build": "b"}}\'\nexit {code}\n'
    )
    program.chmod(0o700)
    finished = subprocess.run(
        [CI / "verdict"],
        env={"PATH": f"{program.parent}:{os.environ['PATH']}", "QUANTGATE_BUILD": "build.yaml"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == code
    assert f"quantgate: {verdict} (exit code {code})" in finished.stdout
