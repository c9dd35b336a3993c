"""Tables of corpora on a terminal: numbers end at the right, words begin at the left."""

import pytest

from quantgate.flows.cli.views.corpus import section
from quantgate.flows.cli.views.rendering import show


def test_numbers_end_at_the_right_and_words_begin_at_the_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    rows = (("name", "1,200", "71.5%", "support@1"), ("digest", "7", "–", "41ce30ca"))
    show([section(name="corpus", heads=("a", "rows", "share", "b"), rows=rows)])
    first, second = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.strip().startswith(("name", "dig"))
    ]
    assert first.index("support@1") == second.index("41ce30ca")
    assert first.index("1,200") + len("1,200") == second.index(" 7 ") + 2
