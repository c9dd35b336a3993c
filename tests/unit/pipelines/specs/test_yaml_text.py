"""YAML that people wrote: whatever it holds, one error with lines, at once and in little memory."""

from datetime import date
from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.yaml_text import read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGES = "m0: &m0 {x: 1}\n" + "".join(
    f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40)
)


def value(folder: Path, text: str) -> object:
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    document = read_yaml(folder / "a.yaml")
    return document.value if document else None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nexpires: 2026-13-45\n", "line 2: '2026-13-45' is no date"),
        ("a: !secret x\n", "line 1: the tag '!secret' is not known here"),
        ("a: !!python/object/apply:os.system [ls]\n", "the tag '!!python/object/apply:os.system'"),
        ("a: !!set {x, y}\n", "the tag '!!set' is not known here"),
        ("a: !!binary x\n", "the tag '!!binary' is not known here"),
        ("a: !!int x\n", "'x' is no whole number"),
        ("a: !!float ''\n", "'' is no number"),
        ("a: !!bool x\n", "is no such value"),
        ("a: .inf\n", "'.inf' is no finite number"),
        ("a: " + "9" * 400, "is too large a number"),
        ("a: " + "9" * 5000, "is no whole number"),
        ("? [a, b]\n: c\n", "line 1: a key is a list or an object"),
        ("a: 1\nb: {c: 1,\n  c: 2}\n", "line 3: key 'c' stands here twice, first in line 2"),
        ("a:\n  - {b: [{c: 1, c: 2}]}\n", "line 2: key 'c' stands here twice"),
        ("[" * 5000, "line 1: nested deeper than 100 levels"),
        ("{a: " * 101 + "1" + "}" * 101, "nested deeper than 100 levels"),
        ("- " * 500 + "x", "nested deeper than 100 levels"),
        (LAUGHS, "with its aliases it has more than 1,000,000 values"),
        (MERGES, "with its aliases it has more than 1,000,000 values"),
        ("a: &a [*a]\n", "an alias repeats what it stands in"),
        ("a: *b\n", "line 1: "),
        ("a: b: c\n", "line 1: mapping values are not allowed"),
        ("a: 1\n---\nb: 2\n", "single document"),
        ('a: "\\0"\n', "line 1: a text has a null character"),
        ('a: "\\ud800"\n', "line 1: "),
        ("a: \x07\n", "line "),
        ("<<: 3\n", "line 1: "),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_error_with_its_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(InputError) as refused:
        value(tmp_path, text)
    assert sentence in str(refused.value)
    assert "a.yaml: " in str(refused.value)


def test_every_problem_is_named_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        value(tmp_path, "a: !x 1\na: 2026-02-30\nb: .nan\n")
    lines = [line.strip()[:7] for line in refused.value.what.splitlines()[1:]]
    assert lines == ["line 1:", "line 2:", "line 2:", "line 3:"]


def test_what_yaml_has_is_read(tmp_path: Path) -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2026-11-29}\nc: [*a, 1.5, yes, ~, 'no']\n"
    assert value(tmp_path, "\ufeff" + text) == {
        "a": {"x": 1},
        "b": {"x": 1, "y": date(2026, 11, 29)},
        "c": [{"x": 1}, 1.5, True, None, "no"],
    }
    assert value(tmp_path, "# nothing\n") is None
