"""Additions as CONTRIBUTING.md describes them, made in a copy of the program: they work as it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.support.project import HOUSES, PROJECT, copy_houses


@dataclass(frozen=True)
class Copy:
    """A copy of the program; `touched` are the files that were added or edited, in order."""

    root: Path
    touched: list[str] = field(default_factory=list)

    def add(self, path: str, text: str) -> None:
        file = self.root / path
        assert not file.exists()
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        self.touched.append(path)

    def edit(self, path: str, before: str, after: str) -> None:
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{path} has changed: mend this test, and the page"
        file.write_text(text.replace(before, after), encoding="utf-8")
        self.touched.append(path)

    def quantgate(self, *arguments: str) -> str:
        return self.python("-m", "quantgate", *arguments)

    def python(self, *arguments: str) -> str:
        finished = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": str(self.root / "package")},
            cwd=self.root,
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    package = tmp_path / "package" / "quantgate"
    shutil.copytree(PROJECT / "requirements" / "package" / "quantgate", package, symlinks=True)
    copy_houses(tmp_path, compiled=True)
    for house in HOUSES:
        (package / house).unlink()
        (package / house).symlink_to(tmp_path / house)
    return Copy(tmp_path)


def said_on_the_page(title: str) -> str:
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def assert_the_page_names(copy: Copy, title: str, *, name: str, family: str = "-") -> None:
    """Every file that was touched stands on the page, by itself or by its folder."""
    section = said_on_the_page(title)
    for path in dict.fromkeys(copy.touched):
        general = path.replace(f"/{family}/", "/<family>/")
        general = general.replace(f"/{name}/", "/NAME/").replace(f"/{name}.", "/NAME.")
        assert f"`{general}`" in section or f"`{Path(general).parent}/`" in section, path


def test_what_runs_before_a_commit_is_what_make_check_runs() -> None:
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [(repo["repo"], hook) for repo in config["repos"] for hook in repo["hooks"]]
    assert {(repo, hook["language"]) for repo, hook in hooks} == {("local", "system")}
    entries = {hook["entry"].replace(" --force-exclude", "") for _, hook in hooks}
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    recipe = re.findall(r"^check: .*\n\t@(.*)$", makefile, re.MULTILINE)[0]
    *programs, targets = recipe.replace("$(BIN)", ".venv/bin").split(" && ")
    make = "make --no-print-directory"
    steps = {program.removesuffix(" .") for program in programs}
    steps |= {f"{make} {name}" for name in targets.split()[1:] if not name.startswith("-")}
    assert entries == steps


RECIPE = """\
name: MINE
description: As FP8_DYNAMIC, for a test.
scheme: FP8_DYNAMIC
algorithm: round-to-nearest
format: compressed-tensors
numerics: {weights: W8f, activations: A8f, kv_cache: KV16}
runtime: transformers
options: {backend: llmcompressor, scheme: FP8_DYNAMIC, modifier: QuantizationModifier}
"""


def listed(copy: Copy, recipe: str) -> dict[str, object]:
    rows = json.loads(copy.quantgate("recipes", "--json"))["recipes"]
    (row,) = [row for row in rows if row["name"] == recipe]
    return dict(row)


def test_a_recipe_is_one_file(copy: Copy) -> None:
    copy.add("pipelines/specs/catalogue/MINE.yaml", RECIPE)
    assert listed(copy, "MINE")["backend"] == "llmcompressor"
    assert_the_page_names(copy, "Add a recipe", name="MINE")


GRADER = '''\
"""Grades an answer by its first letter."""

from dataclasses import dataclass

from quantgate.pipelines.domain.run import Grade
from quantgate.pipelines.domain.suites.suite import Item
from quantgate.pipelines.evaluation.graders.reading.grades import judged


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialGrader:
    """The first letter of the answer; `expected` is that letter."""

    case: bool = True

    @property
    def name(self) -> str:
        """Name and version."""
        return "initial@1"

    def problem(self, item: Item) -> str | None:
        """Say why no answer could begin so, or None where one could."""
        letter = isinstance(item.expected, str) and len(item.expected) == 1
        return None if letter else "the expectation has to be one letter"

    def grade(self, answer_text: str, item: Item) -> Grade:
        """Grade an answer."""
        first, expected = answer_text.strip()[:1], str(item.expected)
        same = first == expected if self.case else first.lower() == expected.lower()
        problem = None if same else f"it begins with {first!r}"
        return judged(self.name, problem=problem, canonical=first, expected="begins as it has to")
'''
GRADER_FILE = '''\
class InitialFile(GraderFile):
    """The first letter; `expected` is that letter."""

    kind: Literal["initial"]
    case: bool = True
    """Whether case counts."""


TextGraderFile = (
'''
SUITE = """\
name: letters
version: 1
grader: {kind: initial, case: false}
decode: {max_tokens: 8}
slices: {all_of_it: {}}
"""


def test_a_grader_is_a_module_two_rows_and_its_options(copy: Copy) -> None:
    graders = "pipelines/evaluation/graders"
    copy.add(f"{graders}/text/initial.py", GRADER)
    copy.edit(
        f"{graders}/table.py",
        "from quantgate.pipelines.evaluation.graders.text.injection import InjectionGrader\n",
        "from quantgate.pipelines.evaluation.graders.text.initial import InitialGrader\n"
        "from quantgate.pipelines.evaluation.graders.text.injection import InjectionGrader\n",
    )
    row = '        "exact": ExactGrader,\n'
    copy.edit(f"{graders}/table.py", row, f'{row}        "initial": InitialGrader,\n')
    row = '    "exact",\n'
    copy.edit("pipelines/domain/suites/grader.py", row, f'{row}    "initial",\n')
    texts = "pipelines/suites/graders/texts.py"
    copy.edit(texts, "TextGraderFile = (\n", f"{GRADER_FILE}    InitialFile\n    | ")
    suite = copy.root / "suite"
    suite.mkdir()
    (suite / "suite.yaml").write_text(SUITE)
    asked = [{"id": f"i{n}", "prompt": f"Say {n} yes.", "expected": "Y"} for n in range(30)]
    rows = [{**row, "slices": ["all_of_it"]} for row in asked]
    (suite / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert "0 problems" in copy.quantgate("suite", "check", str(suite))
    assert_the_page_names(copy, "Add a grader", name="initial", family="text")


RUNTIME = '''\
"""Runtime: a pocket calculator, which is never there."""

from dataclasses import dataclass

from quantgate.pipelines.engines.runtime import Runtime


@dataclass(frozen=True, slots=True)
class PocketRuntime(Runtime):
    """Answers nothing yet."""

    def missing(self) -> str | None:
        """Say how to get it."""
        return None
'''
BACKEND = '''\
"""Backend: a pocket calculator, which is never there."""

from dataclasses import dataclass

from quantgate.pipelines.engines.backend import Backend


@dataclass(frozen=True, slots=True)
class PocketBackend(Backend):
    """Builds nothing yet."""

    def missing(self) -> str | None:
        """Say how to get it."""
        return "the pocket calculator is not installed: buy one"
'''
OPTIONS = '''\
@dataclass(frozen=True, slots=True, kw_only=True)
class PocketOptions:
    """For the pocket calculator: how many digits it has."""

    backend: Literal["pocket"] = "pocket"
    digits: int


BackendOptions = PocketOptions | '''
OPTIONS_FILE = '''\
class _PocketSpec(Spec):
    """A folder written by a pocket calculator."""

    backend: Literal["pocket"]
    digits: int = Field(gt=0)
    """How many digits it has."""

    def options(self) -> PocketOptions:
        """Return the domain object."""
        return PocketOptions(digits=self.digits)


_WRITTEN_BY = {
    "pocket": (Format.COMPRESSED_TENSORS,),
'''
EXPECT = """
from quantgate.pipelines.engines.expected import expected_tensors
from quantgate.pipelines.specs.recipes import catalogue
print(expected_tensors(None, next(recipe for recipe in catalogue() if recipe.name == "MINE")))
"""


def test_an_engine_is_a_room_with_a_runtime_and_a_backend(copy: Copy) -> None:
    engine, wiring = "pipelines/engines/pocket", "flows/wiring.py"
    copy.add(f"{engine}/runtime.py", RUNTIME)
    copy.add(f"{engine}/backend.py", BACKEND)
    (copy.root / engine / "__init__.py").touch()
    for noun in ("Runtime", "Backend"):
        line = "from quantgate.pipelines.engines.runtime import Runtime\n"
        module = f"quantgate.pipelines.engines.pocket.{noun.lower()}"
        copy.edit(wiring, line, f"from {module} import Pocket{noun}\n{line}")
    row = '        "transformers": TransformersRuntime(),\n'
    copy.edit(wiring, row, f'{row}        "pocket": PocketRuntime(),\n')
    row = '            "llmcompressor": LlmCompressorBackend(),\n'
    copy.edit(wiring, row, f'{row}            "pocket": PocketBackend(),\n')
    copy.edit("pipelines/domain/recipe.py", "BackendOptions = ", OPTIONS)
    specs = "pipelines/specs/recipe_files.py"
    copy.edit(
        specs, "    Numerics,\n    Recipe,\n", "    Numerics,\n    PocketOptions,\n    Recipe,\n"
    )
    copy.edit(specs, "_WRITTEN_BY = {\n", OPTIONS_FILE)
    copy.edit(specs, "    _GgufSpec | ", "    _PocketSpec | _GgufSpec | ")
    copy.edit(specs, '["llamacpp", "transformers"]', '["llamacpp", "transformers", "pocket"]')
    expected = "pipelines/engines/expected.py"
    nouns = "    GgufOptions,\n    Recipe,\n"
    copy.edit(expected, nouns, f"    PocketOptions,\n{nouns}")
    copy.edit(
        expected,
        "    match recipe.options:\n",
        "    match recipe.options:\n        case PocketOptions():\n            return ()\n",
    )
    recipe = RECIPE.replace("runtime: transformers", "runtime: pocket").partition("options")[0]
    catalogue = copy.root / "pipelines" / "specs" / "catalogue"
    (catalogue / "MINE.yaml").write_text(f"{recipe}options: {{backend: pocket, digits: 8}}\n")
    shown = listed(copy, "MINE")
    assert (shown["backend"], shown["runtime"]) == ("pocket", "pocket")
    assert shown["missing"] == "the pocket calculator is not installed: buy one"
    assert copy.python("-c", EXPECT) == "()\n"
    assert_the_page_names(copy, "Add an engine", name="pocket")


COMMAND = '''

@main.command()
@click.argument("folder", type=FOLDER)
@clean_exit
def weigh(folder: Path) -> int:
    """Say how many bytes the files of FOLDER have."""
    from quantgate.flows.cli.weigh import weigh_command

    return weigh_command(folder)


main.add_command(suite)
'''
WORK = '''\
"""`quantgate weigh`: what files take."""

from pathlib import Path

from quantgate.flows.cli.views.rendering import show
from quantgate.flows.cli.views.weigh import weigh_blocks
from quantgate.pipelines.domain.errors import InputError


def weigh_command(folder: Path) -> int:
    """Print a line a file.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder))
    show(weigh_blocks({path.name: path.stat().st_size for path in folder.iterdir()}))
    return 0
'''
VIEW = '''\
"""What files take."""

from collections.abc import Iterator, Mapping

from quantgate.flows.cli.views.blocks import Block, Heading, Sentence, TableBlock, row


def weigh_blocks(sizes: Mapping[str, int]) -> Iterator[Block]:
    """Yield a table of files and their sum."""
    yield TableBlock(
        title="files",
        headings=(Heading("file"), Heading("bytes", "right")),
        rows=tuple(row((name, str(size)), f"{name}: {size}") for name, size in sizes.items()),
    )
    yield Sentence.of(f"{sum(sizes.values())} bytes")
'''


def test_a_command_is_its_options_its_work_and_its_view(copy: Copy, tmp_path: Path) -> None:
    copy.edit("flows/cli/main.py", "\n\nmain.add_command(suite)\n", COMMAND)
    copy.add("flows/cli/weigh.py", WORK)
    copy.add("flows/cli/views/weigh.py", VIEW)
    folder = tmp_path / "weighed"
    folder.mkdir()
    (folder / "a").write_bytes(b"1234")
    assert re.search(r"^  weigh +Say how many bytes", copy.quantgate("--help"), re.MULTILINE)
    assert copy.quantgate("weigh", str(folder)) == "a: 4\n4 bytes\n"
    assert_the_page_names(copy, "Add a command", name="weigh")
