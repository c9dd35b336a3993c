"""What a model said is shown on a terminal as text: it commands nothing there."""

from pathlib import Path

import pytest

from quantgate.flows.cli.views.comparison import show_comparison
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.report.wording import one_line
from quantgate.registry import ItemDifference, RegisteredVersion, VersionComparison
from quantgate.registry.evidence_facts import version_facts
from tests.support.registered.registries import Sample, evidence_of


def test_an_answer_is_one_line_in_which_nothing_hides() -> None:
    assert one_line("a\n b\t c") == "a b c"
    assert one_line("\x1b[2J\u202egone") == "␛[2J⟨U+202E RIGHT-TO-LEFT OVERRIDE⟩gone"
    assert one_line("x" * 101) == "x" * 100 + "…"


def test_versions_beside_each_other_show_answers_without_terminal_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = version_facts(evidence_of(Sample(size_bytes=1000), Store(root=tmp_path)))
    version = RegisteredVersion(model="demo", version="1", aliases=(), run_id="r", facts=facts)
    item = ItemDifference(
        item_id="i", slices=(), first_is_right=True, second_is_right=False,
        first_answer="\x1b]0;title\x07 right", second_answer="\x1b[2J",
    )  # fmt: skip
    show_comparison(
        VersionComparison(first=version, second=version, facts=(), items=(item,), changed_answers=1)
    )
    shown = capsys.readouterr().out
    assert "A: ␛]0;title␇ right" in shown
    assert "\x1b" not in shown
