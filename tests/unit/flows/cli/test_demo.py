"""`quantgate demo`: a real build of the example, judged again from its answers, without weights."""

import lzma
from pathlib import Path

import pytest
from click.testing import CliRunner

from quantgate.flows.cli.demo.contents import EXAMPLE, DemoBuild, read_demo
from quantgate.flows.cli.demo.judging import judged_report
from quantgate.flows.cli.main import main
from quantgate.pipelines.domain.verdicts.verdict import Decision
from quantgate.pipelines.files.records import record_digest
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.suites.load import load_suite
from tests.support.project import PROJECT

DESK = PROJECT / "examples" / "support-desk"


@pytest.fixture(scope="module")
def demo() -> DemoBuild:
    return read_demo()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo") / "it's here"
    result = CliRunner().invoke(main, ["demo", "--to", str(folder)])
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_it_is_small_and_names_no_folder_of_the_machine_that_made_it() -> None:
    assert EXAMPLE.stat().st_size < 300_000
    text = lzma.decompress(EXAMPLE.read_bytes()).decode()
    assert [name for name in ("/home/", "/root/", "/tmp/", "/Users/") if name in text] == []


def test_it_is_a_build_of_the_example_as_it_is_now(demo: DemoBuild) -> None:
    suite = load_suite(DESK / "suite")
    policy = load_policy(DESK / "policy.yaml", suite)
    same = demo.suite.digest == suite.digest and record_digest(demo.policy) == record_digest(policy)
    assert same, "make demo-data packs the example anew"


def test_its_verdicts_are_those_that_were_registered(demo: DemoBuild) -> None:
    report = judged_report(demo)
    decisions = {each.identifier: each.verdict.decision for each in report.variants if each.verdict}
    assert set(decisions.values()) == {Decision.PASS, Decision.FAIL, Decision.INCONCLUSIVE}
    for variant in demo.variants:
        registered = variant.registered_version is not None
        assert registered == (decisions[variant.identifier] is Decision.PASS), variant.identifier


def test_it_shows_a_verdict_a_page_and_a_look_up(written: tuple[Path, str]) -> None:
    folder, shown = written
    assert "5 of 8 variants passed and are registered" in shown
    assert "version   support-llama/5 @support-desk" in shown
    page = next(folder.glob("reports/*/index.html"))
    assert str(page) in shown
    html = page.read_text(encoding="utf-8")
    assert "Ship this" in html and "it is the smallest that passes: 1.58 MB" in html


def test_what_it_wrote_can_be_asked_and_judged_by_the_other_commands(
    written: tuple[Path, str],
) -> None:
    folder, _ = written
    asked = CliRunner().invoke(
        main,
        ["lineage", "support-llama@support-desk"],
        env={"QUANTGATE_STORE": str(folder)},
    )
    assert "was quantized without a calibration corpus" in asked.output
    runs = folder / "transcripts"
    judged = CliRunner().invoke(
        main,
        ["judge", str(runs / "base-llamacpp-1.jsonl"), str(runs / "IQ1_M--imatrix.jsonl"),
         "--suite", str(DESK / "suite")],
        env={"QUANTGATE_STORE": str(folder)},
    )  # fmt: skip
    assert (judged.exit_code, "support-llama--IQ1_M--imatrix: fail" in judged.output) == (10, True)


def test_it_writes_its_own_folder_anew_and_touches_no_other(
    written: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = written
    assert CliRunner().invoke(main, ["demo", "--to", str(folder)]).exit_code == 0
    (tmp_path / "mine.txt").write_text("mine")
    refused = CliRunner().invoke(main, ["demo", "--to", str(tmp_path)])
    assert (refused.exit_code, "holds something else than a demo" in refused.output) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
