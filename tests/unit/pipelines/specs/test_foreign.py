"""Quants of others in build files and on the command line."""

from pathlib import Path

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.foreign import ForeignPlace, foreign_places

HUB = "hub:org/model-GGUF:*Q4*.gguf"


def loaded(folder: Path, entries: str, foreign: tuple[ForeignPlace, ...] = ()) -> BuildSpec:
    file = folder / "build.yaml"
    file.write_text(f"model: model\nsuite: suite\nforeign:\n{entries}")
    return load_build(file, BuildOverrides(foreign=foreign), ())


def test_paths_are_relative_to_the_build_file_and_hub_names_stay(tmp_path: Path) -> None:
    spec = loaded(tmp_path, f"  - shelf/*.gguf\n  - /elsewhere/a.gguf\n  - {HUB}\n")
    assert [place.text for place in spec.foreign] == [
        str(tmp_path / "shelf/*.gguf"),
        "/elsewhere/a.gguf",
        HUB,
    ]


def test_an_entry_may_say_a_name_and_whose_template_it_is_served_with(tmp_path: Path) -> None:
    spec = loaded(tmp_path, f"  - {{source: '{HUB}', name: theirs, template: base}}\n")
    assert spec.foreign == (ForeignPlace(text=HUB, name="theirs", template="base"),)


def test_the_command_line_overrides_the_build_file(tmp_path: Path) -> None:
    places = foreign_places(["a.gguf"], tmp_path)
    assert loaded(tmp_path, "  - b.gguf\n", places).foreign == places
    with pytest.raises(InputError, match="names no place"):
        foreign_places(["a.gguf", ""], tmp_path)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{source: a.gguf, name: 'a b'}", "name"),
        ("{sauce: a.gguf}", "sauce"),
        ("{source: a.gguf, template: theirs}", "template"),
        ("''", "foreign"),
        ("7", "foreign"),
    ],
)
def test_an_entry_that_is_none_is_refused_with_its_line(
    entry: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        loaded(tmp_path, f"  - {entry}\n")
    assert "line 4" in str(refused.value)
    assert problem in str(refused.value)
    assert "not an object" not in str(refused.value)
