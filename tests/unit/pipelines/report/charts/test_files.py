"""Charts beside a page are files that need no page: colours, font and all."""

import re
from pathlib import Path
from xml.etree import ElementTree

from quantgate.pipelines.report.build_report import CHARTS
from quantgate.pipelines.report.page.rendering import write_page_and_charts
from tests.support.verdicts.reports import example_report


def test_each_chart_is_a_picture_of_its_own_and_none_of_an_earlier_page_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / CHARTS).mkdir()
    (tmp_path / CHARTS / "of-yesterday.svg").write_text("<svg/>")
    report = example_report({"flat": 32, "numeric": 40, "refusal": 30, "tail": 6})
    write_page_and_charts(report, tmp_path / "index.html")
    files = sorted(path.name for path in (tmp_path / CHARTS).iterdir())
    assert files == [
        "break-rate-by-slice.svg",
        "breaks-foretold-and-breaks-seen.svg",
        "size-against-accuracy.svg",
    ]
    for name in files:
        text = (tmp_path / CHARTS / name).read_text()
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        used = set(re.findall(r"var\((--[a-z-]+)\)", text))
        assert used <= set(re.findall(r"(--[a-z-]+):", text)), "every colour is said"
        assert "svg { background: var(--card); }" in text, "dark pages show it too"
