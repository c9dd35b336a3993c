"""Wishes and orders: what fits, which of those is the best, and what is refused as no wish."""

from collections.abc import Mapping
from math import nan

import pytest

from quantgate.pipelines.domain.errors import InputError
from quantgate.registry.questions.wishes import (
    LookupRequest,
    Traits,
    best_first,
    traits_of,
)

TAGS = {
    "suite_name": "desk",
    "format": "gguf",
    "runtime_engine": "llama.cpp",
    "runtime_kv_cache": "q8_0",
    "numerics": "W4/A16/KV8",
    "size_bytes": "4000",
    "bits_per_weight": "4.5",
}


def traits(number: int = 1, tags: Mapping[str, str] = TAGS, **changed: str) -> Traits:
    read = traits_of(str(number), {**tags, **changed})
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("wish", "fits"),
    [
        ({"max_bits": 4.5}, True),
        ({"max_bits": 4.4}, False),
        ({"kv": "Q8_0"}, True),
        ({"kv": "f16"}, False),
        ({"runtime": "LlamaCpp"}, True),
        ({"format": "GGUF", "max_size_bytes": 4000, "suite": "desk"}, True),
        ({"max_size_bytes": 3999}, False),
    ],
)
def test_every_wish_is_met_or_the_version_does_not_fit(wish: dict[str, object], fits: bool) -> None:
    assert LookupRequest(model="m", **wish).fits(traits()) is fits  # type: ignore[arg-type]


def test_bits_are_those_of_all_weights_where_they_were_counted() -> None:
    assert traits(file_bits_per_weight="6.1").bits_per_weight == 6.1
    assert traits(file_bits_per_weight="none").bits_per_weight == 4.5


def order(sort: str, *versions: Traits) -> list[int]:
    return [version.number for version in sorted(versions, key=best_first(sort))]


def test_each_order_has_its_best_first_and_what_was_not_measured_last() -> None:
    small = traits(1, size_bytes="1", accuracy="0.8")
    exact = traits(2, size_bytes="9", accuracy="0.9", tokens_per_second="10")
    quick = traits(3, size_bytes="5", tokens_per_second="99.5")
    timed = traits(4, size_bytes="7", tokens_per_second="1", speed_ratio="1.5")
    assert order("size", exact, quick, small) == [1, 3, 2]
    assert order("accuracy", quick, small, exact) == [2, 1, 3]
    assert order("speed", small, exact, quick, timed) == [4, 3, 2, 1]


def test_of_equal_ones_the_full_cache_comes_first_then_the_newest() -> None:
    full = traits(1, numerics="W4/A16/KV16")
    assert order("size", traits(2), traits(3), full) == [1, 3, 2]
    assert order("accuracy", traits(2), full) == [1, 2]


@pytest.mark.parametrize("name", ["size_bytes", "suite_name", "bits_per_weight", "accuracy"])
def test_tags_that_are_missing_or_no_numbers_give_no_traits(name: str) -> None:
    assert traits_of("1", {**TAGS, name: "many"}) is None or name == "suite_name"
    without = {key: text for key, text in TAGS.items() if key != name}
    assert traits_of("1", without) is None or name == "accuracy"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"format": "ggfu"}, "there is no format 'ggfu'"),
        ({"sort": "beauty"}, "there is no sort 'beauty'"),
        ({"max_bits": nan}, "is no number of bits"),
        ({"max_bits": 0.0}, "is no number of bits"),
        ({"model": "a/b"}, "holds '/'"),
        ({"suite": "it's"}, "may hold letters"),
        ({"suite": ""}, "may hold letters"),
        ({"kv": ""}, "is no KV-cache type"),
        ({"kv": "f16' or"}, "is no KV-cache type"),
    ],
)
def test_what_is_no_wish_is_refused(wish: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as caught:
        LookupRequest(**{"model": "m", **wish}).check()  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_what_a_registry_can_be_asked_for_is_spelt_as_its_tags_are() -> None:
    request = LookupRequest(model="m", format="Compressed-Tensors", kv="F16", max_bits=5.0)
    assert request.tags == {"format": "compressed-tensors", "runtime_kv_cache": "f16"}
    assert not request.is_open
    assert LookupRequest(model="m", suite="desk").is_open
