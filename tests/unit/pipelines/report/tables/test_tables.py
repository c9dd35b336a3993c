"""Every table of a build, in the forms that other programs read, says what the verdict says."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pyarrow import parquet

from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.page.store_page import build_summary, render_store_page
from quantgate.pipelines.report.stored.result_file import StoredResult
from quantgate.pipelines.report.tables.build_tables import build_tables
from quantgate.pipelines.report.tables.junit import junit_xml
from quantgate.pipelines.report.tables.markdown import build_markdown
from quantgate.pipelines.report.tables.writing import (
    csv_text,
    json_rows,
    markdown_table,
    parquet_bytes,
)
from tests.support.builds.stored import stored
from tests.support.verdicts.reports import example_report

SIZES = {"flat": 32, "numeric": 40, "refusal": 30, "tail": 6}


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return example_report(SIZES)


@pytest.fixture(scope="module")
def result(report: BuildReport, tmp_path_factory: pytest.TempPathFactory) -> StoredResult:
    return stored(report, tmp_path_factory.mktemp("report"))


def test_a_result_is_read_back_as_it_was_written(report: BuildReport, result: StoredResult) -> None:
    assert result.build == report.build
    assert result.champion is not None
    assert result.short_name(result.champion) == "Q4_K_M--imatrix"
    verdict = report.variants[2].verdict
    read = result.variants[2].verdict
    assert verdict is not None
    assert verdict.whole is not None
    assert read is not None
    assert read.whole is not None
    assert read.whole.break_rate_bound == verdict.whole.statistics.break_rate_bound
    assert read.whole.delta_interval == verdict.whole.statistics.delta_interval


def test_rows_have_a_cell_a_column_and_every_variant_slice_and_change_is_there(
    report: BuildReport, result: StoredResult, tmp_path: Path
) -> None:
    tables = {table.name: table for table in build_tables(result)}
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows), table.name
        assert len(list(csv.DictReader(io.StringIO(csv_text(table))))) == len(table.rows)
        (tmp_path / f"{table.name}.parquet").write_bytes(parquet_bytes(table))
        read = parquet.read_table(tmp_path / f"{table.name}.parquet")
        assert read.column_names == list(table.columns)
        assert read.num_rows == len(table.rows)
    assert len(tables["variants"].rows) == len(report.variants)
    assert len(tables["slices"].rows) == 4 * (1 + len(SIZES))
    row = json_rows(tables["variants"])[2]
    verdict = report.variants[2].verdict
    assert verdict is not None
    assert verdict.whole is not None
    counted = verdict.whole.statistics
    assert (row["variant"], row["broke"], row["reliable"]) == (
        "Q2_K",
        counted.broke,
        counted.reliable,
    )
    assert row["break_rate_bound"] == counted.break_rate_bound
    assert row["delta_low"] == counted.delta_interval.low
    sliced = {r["slice"]: r for r in json_rows(tables["slices"]) if r["variant"] == "Q2_K"}
    tail = next(s for s in verdict.slices if s.name == "tail")
    assert sliced["tail"]["decision"] == tail.decision
    assert sliced["tail"]["mcnemar_p"] == tail.statistics.mcnemar_p
    broke = [r for r in json_rows(tables["changed_answers"]) if r["outcome"] == "broke"]
    assert sum(r["variant"] == "Q2_K" for r in broke) >= counted.broke


def test_a_table_without_rows_is_written_too(result: StoredResult, tmp_path: Path) -> None:
    alone = replace(result, variants=())
    for table in build_tables(alone)[:4]:
        (tmp_path / f"{table.name}.parquet").write_bytes(parquet_bytes(table))
        assert parquet.read_table(tmp_path / f"{table.name}.parquet").num_rows == 0
        assert csv_text(table).count("\n") == 1


def test_markdown_says_what_to_ship_and_texts_cannot_break_it(result: StoredResult) -> None:
    said = build_markdown(result)
    assert said.startswith("### quantgate: ship **Q4\\_K\\_M--imatrix**\n")
    assert "| Q2\\_K | ❌ fail |" in said
    assert "was killed by SIGKILL" in said
    hostile = markdown_table(["a"], [["x | y\n<b>*z*"]])
    assert hostile.splitlines()[2] == "| x \\| y \\<b\\>\\*z\\* |"


def test_junit_counts_what_failed_what_is_open_and_what_was_stopped(result: StoredResult) -> None:
    root = ElementTree.fromstring(junit_xml(result))
    suites = {suite.get("name", "").removeprefix("support-llama--"): suite for suite in root}
    assert list(suites) == [result.short_name(variant) for variant in result.variants]
    assert suites["Q4_K_M--imatrix"].get("failures") == "0"
    assert int(suites["Q2_K"].get("failures", "0")) >= 1
    assert suites["GPTQ_W4A16"].get("errors") == "1"
    assert suites["NVFP4"].get("failures") == "1"
    tail = next(c for c in suites["Q8_0"] if c.get("name") == "slice: tail")
    assert tail.find("skipped") is not None
    assert int(root.get("tests", "0")) == sum(len(suite) for suite in root)


def test_what_xml_cannot_hold_is_shown_and_not_written(result: StoredResult) -> None:
    failed = replace(result.variants[4], failure="ends \x00 in \x1b[31m red & <b>")
    root = ElementTree.fromstring(junit_xml(replace(result, variants=(failed,))))
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert error.text == "ends ␀ in ␛[31m red & <b>"


def test_a_stores_page_lists_builds_with_what_each_ships(result: StoredResult) -> None:
    summary = build_summary(result)
    assert (summary.passed, summary.variants) == (2, 6)
    page = render_store_page(
        [summary, replace(summary, build="<b>", champion=None, decision="fail")]
    )
    assert f'href="{result.build}/index.html"' in page
    assert "6.81 MB → 2.21 MB" in page
    assert "&lt;b&gt;" in page
    assert "<script" not in page
    assert "No build of this store" in render_store_page([])
