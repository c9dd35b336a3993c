"""Deployments are named by list and team, and a clash is one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.orchestration.following.deployments import Following
from quantgate.pipelines.domain.errors import InputError


def following(folder: Path, team: str | None = None) -> Following:
    return Following.here(folder / "releases.yaml", folder / "store", team)


def test_lists_of_one_name_that_lie_elsewhere_have_deployments_of_their_own(tmp_path: Path) -> None:
    names = {following(tmp_path / place).name for place in ("a", "b")}
    assert len(names) == 2
    assert all(name.startswith("releases-") for name in names)
    assert following(tmp_path, "acme").name == "acme-releases"


def test_a_name_that_stands_for_something_else_is_refused(tmp_path: Path) -> None:
    ours, theirs = following(tmp_path / "a", "acme"), following(tmp_path / "b", "acme")
    ours.refuse_clash({**ours.parameters}, ["more", *ours.tags])
    with pytest.raises(
        InputError, match=r"is the deployment of .*/b/releases.yaml into .*/b/store"
    ):
        ours.refuse_clash({**theirs.parameters}, theirs.tags)
    with pytest.raises(InputError, match="on another"):
        ours.refuse_clash({**ours.parameters}, replace(ours, host="another").tags)


def test_what_is_served_already_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            following(tmp_path).served_once(),
            pytest.raises(InputError, match="is served already, by process"),
            following(tmp_path).served_once(),
        ):
            pass


@pytest.mark.parametrize("team", ["", "a b", "../x", "-a", "é", "a" * 41])
def test_a_team_is_named_by_a_plain_word(team: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no team's name"):
        following(tmp_path, team)
