"""What `quantgate init` writes is read back as it was meant, by readers of YAML 1.1 as well."""

from pathlib import Path

import pytest
import yaml

from quantgate.pipelines.authoring.starting.answers import GraderChoice
from quantgate.pipelines.authoring.starting.folder import POLICY_FILE, StartedTask, write_task
from quantgate.pipelines.authoring.starting.rows import StartRow
from quantgate.pipelines.authoring.starting.slicing import ProposedSlice
from quantgate.pipelines.domain.suites.suite import GraderSpec, Message
from quantgate.pipelines.domain.verdicts.policy import Policy
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.suites.load import load_suite


def task(name: str, *slices: str, labels: tuple[str, ...] = ("yes", "no")) -> StartedTask:
    row = StartRow(number=1, messages=(Message(role="user", content="Is it?"),), answer=labels[0])
    choice = GraderChoice(
        grader=GraderSpec(kind="choice", options={"choices": list(labels)}),
        expected=labels[0],
        why="answers are labels",
    )
    return StartedTask(
        name=name,
        model=name,
        description="no",
        suite=(row,),
        choices={1: choice},
        slices=tuple(
            ProposedSlice(name=each, description="on", rows=frozenset([1])) for each in slices
        ),
        traffic=({"messages": []},),
    )


@pytest.mark.parametrize("word", ["no", "yes", "on", "null", "y", "plain"])
def test_words_that_yaml_reads_as_something_else_stay_words(tmp_path: Path, word: str) -> None:
    write_task(task(word, word), tmp_path)
    build = yaml.safe_load((tmp_path / "build.yaml").read_text(encoding="utf-8"))
    assert (build["name"], build["model"]) == (word, word)
    suite = yaml.safe_load((tmp_path / "suite" / "suite.yaml").read_text(encoding="utf-8"))
    assert (suite["name"], list(suite["slices"])) == (word, [word])
    assert suite["slices"][word] == {"description": "on"}


def test_labels_beyond_the_first_plane_stay_what_they_are(tmp_path: Path) -> None:
    write_task(task("mine", "s", labels=("\U0001f600", "\U0001f622")), tmp_path)
    suite = load_suite(tmp_path / "suite")
    assert suite.grader.options["choices"] == ["\U0001f600", "\U0001f622"]


def test_the_policy_that_is_written_out_is_the_default(tmp_path: Path) -> None:
    write_task(task("mine", "s"), tmp_path)
    assert load_policy(tmp_path / POLICY_FILE, load_suite(tmp_path / "suite")) == Policy()


def test_of_a_folder_that_cannot_be_written_whole_nothing_is_left(tmp_path: Path) -> None:
    """Half a folder would be refused by the next try, since nothing is overwritten."""
    folder = tmp_path / "mine"
    (folder / POLICY_FILE).mkdir(parents=True)  # as a disk that is full by then
    with pytest.raises(OSError, match=POLICY_FILE):
        write_task(task("mine", "s"), folder)
    assert [*folder.iterdir()] == []
