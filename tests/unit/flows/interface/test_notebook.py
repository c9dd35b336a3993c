"""The example notebook runs from its first cell to its last, and what it shows are tables."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import quantgate as qg
from tests.support.project import PROJECT

EXAMPLES = PROJECT / "examples"


def run_cells(notebook: Path) -> tuple[list[Any], dict[str, Any]]:
    """Return the value of every cell's last line, and the names at the end, as a notebook would have them."""
    names: dict[str, Any] = {}
    values = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "a notebook is committed without outputs"
        body = ast.parse("".join(cell["source"])).body
        *before, last = body
        exec(compile(ast.Module(before, []), str(notebook), "exec"), names)
        assert isinstance(last, ast.Expr)
        values.append(eval(compile(ast.Expression(last.value), str(notebook), "eval"), names))
    return values, names


def test_every_cell_runs_and_shows_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "support-desk").symlink_to(EXAMPLES / "support-desk")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    values, names = run_cells(EXAMPLES / "first-look.ipynb")
    build, frame, changed, counts, judged, version = values
    for shown in (build, changed, judged):
        assert shown._repr_html_().startswith("<table>")
    assert list(frame.decision) == [row.decision for row in build.variants]
    assert {row.outcome for row in names["changed"].broken} == {"broke"}
    assert counts["injection"] == 9
    assert judged.decision == "inconclusive"
    assert judged.slices[0].broke == build.variant("IQ2_XXS--imatrix").broke == 10
    assert version[1:] == ("support-llama--Q2_K", "pass")
    whole = build.details["variants"][-1]["verdict"]["changed_answers"]
    assert len(build.changed("IQ1_M--imatrix")) == len(whole)
    with pytest.raises(qg.QuantgateError, match="has its result and no plan"):
        qg.compare(build, build)
