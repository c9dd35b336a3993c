"""What a search tries next, given what became of what it tried."""

from collections.abc import Mapping

from quantgate.pipelines.domain.search import Search, SearchCandidate
from quantgate.pipelines.gates.searching import (
    best_candidate,
    fastest_candidate,
    next_candidate,
    parting,
)


def search_of(*sequences: str) -> Search:
    """Candidates named as they stand, each a byte smaller than the one before."""
    sizes = iter(range(1_000, 0, -1))
    return Search(
        goal="size",
        sequences=tuple(
            tuple(
                SearchCandidate(
                    identifier=name, size_bytes=(size := next(sizes)), memory_bytes=size
                )
                for name in sequence.split()
            )
            for sequence in sequences
        ),
    )


EIGHT = search_of("a", "b", "c", "d d1 d2 d3", "e", "f", "g", "h")


def tried(search: Search, truth: Mapping[str, bool]) -> list[str]:
    """Go through a whole search whose every outcome is known."""
    passed: dict[str, bool] = {}
    while (candidate := next_candidate(search, passed)) is not None:
        assert candidate.identifier not in passed
        passed[candidate.identifier] = truth.get(candidate.identifier, False)
    return list(passed)


def test_recipes_are_parted_by_size_until_one_that_passed_stands_beside_one_that_did_not() -> None:
    assert tried(EIGHT, dict.fromkeys("abcd", True)) == ["f", "d", "e", "d1"]
    assert tried(EIGHT, dict.fromkeys("abcdefgh", True)) == ["f", "h"]
    assert tried(EIGHT, {"a": True}) == ["f", "d", "c", "b", "a"]


def test_where_nothing_passes_the_largest_is_tried_last_and_no_mix_at_all() -> None:
    assert tried(search_of("a a1 a2", "b b1"), {}) == ["b", "a"]
    assert tried(EIGHT, {}) == ["f", "d", "c", "b", "a"]


def test_mixes_below_what_passed_are_tried_in_order_until_one_does_not_pass() -> None:
    truth = dict.fromkeys(["a", "b", "c", "d", "d1", "d3"], True)

    assert tried(EIGHT, truth) == ["f", "d", "e", "d1", "d2"]  # d3 stands behind a failure


def test_a_larger_recipe_that_fails_after_a_smaller_passed_is_never_asked_for() -> None:
    """Size does not order quality: what is found is a pass all the same, by its own verdict."""
    assert tried(EIGHT, {"d": True, "e": False, "f": True}) == ["f", "h", "g"]


def test_the_best_is_the_cheapest_that_passed() -> None:
    best = best_candidate(EIGHT, {"d": True, "d1": True, "e": False})

    assert best is not None and best.identifier == "d1"
    assert best_candidate(EIGHT, {"d": False}) is None


def test_recipes_are_parted_below_the_middle_for_who_fails_costs_less() -> None:
    assert [parting(recipes) for recipes in range(1, 9)] == [0, 1, 2, 2, 3, 3, 4, 5]


def test_eight_recipes_and_two_mixes_are_asked_half_of_what_all_eight_would_be_where_six_pass() -> (
    None
):
    passing = dict.fromkeys("abcdef", True)
    order = tried(EIGHT, passing)
    asked = sum(1.0 if name in passing else 45 / 115 for name in order)
    assert order == ["f", "h", "g"]
    assert asked + 2 <= len(EIGHT.sequences) / 2


def test_the_fastest_is_tried_until_one_passes_and_what_has_no_speed_never() -> None:
    search = search_of("a", "b", "c")
    speeds = {"a": 1.0, "c": 3.0}
    assert fastest_candidate(search, {}, speeds) == search.candidates[2]
    assert fastest_candidate(search, {"c": False}, speeds) == search.candidates[0]
    assert fastest_candidate(search, {"c": False, "a": False}, speeds) is None
    assert fastest_candidate(search, {"c": True}, speeds) is None
