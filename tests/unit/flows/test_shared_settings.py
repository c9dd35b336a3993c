"""What settings say of a shared store, and what is refused of it before anything is built."""

from pathlib import Path

import pytest

from quantgate.flows.build.sharing.opening import (
    attach_shared_store,
    open_shared_store,
    prepare_shared_store,
    refuse_unusable_shared_store,
)
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.files.sealed import produce_once


def settings(tmp_path: Path, **named: str) -> Settings:
    variables = {f"QUANTGATE_{name}": value for name, value in named.items()}
    return Settings.from_environment({"QUANTGATE_STORE": str(tmp_path / "store"), **variables})


def test_a_store_is_shared_only_where_that_is_named(tmp_path: Path) -> None:
    assert settings(tmp_path).shared is None
    shared = settings(tmp_path, SHARED_STORE="s3://b/f").shared
    assert shared is not None
    assert (shared.address, shared.lease_seconds, shared.kinds.largest_bytes) == (
        "s3://b/f",
        120,
        50e9,
    )
    assert not shared.kinds.bases
    shared = settings(
        tmp_path, SHARED_STORE="s3://b/f", SHARED_LIMIT="1.5G", SHARED_BASES="yes"
    ).shared
    assert shared is not None
    assert (shared.kinds.largest_bytes, shared.kinds.bases) == (1.5e9, True)


@pytest.mark.parametrize(
    ("named", "where"),
    [
        ({"SHARED_LEASE": "3"}, "QUANTGATE_SHARED_LEASE"),
        ({"SHARED_LEASE": "long"}, "QUANTGATE_SHARED_LEASE"),
        ({"SHARED_LIMIT": "much"}, "QUANTGATE_SHARED_LIMIT"),
    ],
)
def test_numbers_that_are_none_are_refused(
    tmp_path: Path, named: dict[str, str], where: str
) -> None:
    with pytest.raises(InputError) as caught:
        settings(tmp_path, SHARED_STORE="s3://b/f", **named)
    assert caught.value.where == where


def test_an_unknown_scheme_is_refused_before_a_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no shared store"):
        refuse_unusable_shared_store(settings(tmp_path, SHARED_STORE="ftp://host/f"), print)


def test_one_that_is_away_stops_no_build(tmp_path: Path) -> None:
    said: list[str] = []
    refuse_unusable_shared_store(
        settings(tmp_path, SHARED_STORE=f"file://{tmp_path}/shelf"), said.append
    )
    assert len(said) == 1 and said[0].endswith("this host builds alone until it answers")
    with pytest.raises(ServiceError):
        open_shared_store(settings(tmp_path, SHARED_STORE=f"file://{tmp_path}/shelf"), print)


def test_what_a_process_makes_in_its_store_goes_to_the_shared_one(tmp_path: Path) -> None:
    here = settings(tmp_path, SHARED_STORE=f"file://{tmp_path}/shelf")
    prepare_shared_store(here)
    refuse_unusable_shared_store(here, print)
    attach_shared_store(here, print)
    produce_once(here.store.root / "runs" / "a--1", str, lambda _staging: "made")
    assert (tmp_path / "shelf" / "entries" / "runs" / "a--1" / "manifest.json").is_file()
    attach_shared_store(settings(tmp_path), print)
    produce_once(here.store.root / "runs" / "b--1", str, lambda _staging: "made")
    assert not (tmp_path / "shelf" / "entries" / "runs" / "b--1").exists()
    with pytest.raises(InputError, match="is shared with no other host"):
        open_shared_store(settings(tmp_path), print)
