"""`suite@version` is one content: an edited suite under a judged version is refused, `--bump` raises it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.cli import main
from flows.suite_check import check_suite
from flows.suite_versions import bump, edited, refuse_edited, remember
from pipelines.domain.errors import InputError
from pipelines.domain.suite import Item, Message
from pipelines.domain.values import digest_of
from pipelines.files.records import to_json
from pipelines.files.store import Store
from pipelines.specs.suite_digest import digested_items
from pipelines.specs.suites import load_suite

SUITE = (
    "name: demo\nversion: 1  # raise me\ngrader: exact\ndecode: {max_tokens: 8}\nslices: {a: {}}\n"
)


def write(folder: Path, expected: str = "4", suite: str = SUITE) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "suite.yaml").write_text(suite)
    row = {"id": "1", "prompt": "2+2?", "expected": expected, "slices": ["a"]}
    (folder / "items.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "store")


def test_an_edited_suite_under_a_judged_version_is_refused_with_both_digests(
    tmp_path: Path, store: Store
) -> None:
    before = load_suite(write(tmp_path / "suite"))
    refuse_edited(before, store)
    remember(before, store)
    refuse_edited(before, store)
    after = load_suite(write(tmp_path / "suite", expected="5"))
    with pytest.raises(InputError) as refused:
        refuse_edited(after, store)
    assert before.digest[:12] in str(refused.value)
    assert after.digest[:12] in str(refused.value)
    assert "raise its version to 2" in str(refused.value)
    remember(after, store)
    assert edited(before, store) is None, "what was judged first stays what the version is"


def test_another_version_or_name_is_another_suite(tmp_path: Path, store: Store) -> None:
    remember(load_suite(write(tmp_path / "suite")), store)
    raised = SUITE.replace("version: 1", "version: 2")
    refuse_edited(load_suite(write(tmp_path / "suite", "5", raised)), store)
    renamed = SUITE.replace("demo", "other")
    refuse_edited(load_suite(write(tmp_path / "suite", "5", renamed)), store)


def test_bump_raises_the_version_above_all_that_were_judged(tmp_path: Path, store: Store) -> None:
    first = load_suite(write(tmp_path / "suite"))
    assert bump(first, store) is None, "never judged"
    remember(first, store)
    remember(replace(first, version=7), store)
    assert bump(first, store) is None, "not edited"
    after = load_suite(write(tmp_path / "suite", expected="5"))
    assert bump(after, store) == 8
    assert (tmp_path / "suite" / "suite.yaml").read_text() == SUITE.replace("1  #", "8  #")
    refuse_edited(load_suite(tmp_path / "suite"), store)


def test_a_version_in_an_unusual_place_is_left_to_a_person(tmp_path: Path, store: Store) -> None:
    odd = SUITE.replace("version: 1  # raise me", "version: 0x1")
    remember(load_suite(write(tmp_path / "suite", "4", odd)), store)
    after = load_suite(write(tmp_path / "suite", "5", odd))
    with pytest.raises(InputError, match="write `version: 2`"):
        bump(after, store)


def test_suite_check_finds_it_and_bumps(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(load_suite(write(tmp_path / "suite")), store)
    folder = write(tmp_path / "suite", expected="5")
    report = check_suite(folder, policy_file=None, model=None, read_table=None, store=store)
    assert any("was judged with another content" in one.text for one in report.problems)
    monkeypatch.setenv("QUANTGATE_STORE", str(store.root))
    result = CliRunner().invoke(main, ["suite", "check", str(folder), "--bump"])
    assert "version raised to 2" in result.output
    assert "another content" not in result.output


def test_a_field_that_is_not_used_is_not_in_the_digest() -> None:
    item = Item(id="1", messages=(Message(role="user", content="a"),), expected=1, slices=("a",))
    plain = {k: v for k, v in as_object(to_json(item)).items() if k in digested_of(item)}
    plain["messages"] = [
        {"role": "user", "content": "a", "name": None, "tool_calls": [], "tool_call_id": None}
    ]
    assert digest_of(digested_of(item)) == digest_of(plain)
    thought = replace(
        item, messages=(Message(role="assistant", content="a", reasoning_content="b"),)
    )
    assert digested_of(thought)["messages"] != digested_of(item)["messages"]


def as_object(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def digested_of(item: Item) -> dict[str, object]:
    return as_object(digested_items([item])[0])
