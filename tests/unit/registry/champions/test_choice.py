"""Which version is the champion: newest scope, smallest in it, unless somebody asked for another."""

from quantgate.registry.champions.choice import AliasCandidate, Request, champion


def version(number: int, scope: str = "old", since: int = 0, **what: object) -> AliasCandidate:
    sizes = {"size_bytes": 4000, "full_cache": True, "passing": True} | what
    return AliasCandidate(number=number, scope=scope, since=since, **sizes)  # type: ignore[arg-type]


def number_of(chosen: AliasCandidate | None) -> int | None:
    return chosen.number if chosen else None


OLD = (version(1, since=10), version(2, since=10, size_bytes=3000))
NEW = (version(3, "new", 20, size_bytes=8000), version(4, "new", 20, size_bytes=6000))


def test_the_smallest_of_the_scope_that_was_recorded_first_last_wins() -> None:
    assert number_of(champion(OLD, None)) == 2
    assert number_of(champion((*OLD, *NEW), None)) == 4
    assert number_of(champion((*NEW, *OLD), None)) == 4


def test_an_old_revision_that_passes_once_more_changes_nothing() -> None:
    late = version(5, "old", since=30, size_bytes=100)
    assert number_of(champion((*OLD, *NEW, late), None)) == 4


def test_scopes_from_before_their_moment_was_noted_are_in_the_order_of_their_versions() -> None:
    assert number_of(champion((version(1, "a"), version(2, "b"), version(3, "a")), None)) == 2


def test_of_a_scope_in_which_nothing_passes_any_more_none_follows_from_an_older_one() -> None:
    withdrawn = (version(3, "new", 20, passing=False, reason="does not pass"),)
    assert champion((*OLD, *withdrawn), None) is None


def test_equal_sizes_go_to_the_full_cache_and_then_to_the_newest() -> None:
    low = version(3, since=10, size_bytes=3000, full_cache=False)
    same = version(4, since=10, size_bytes=3000)
    assert number_of(champion((*OLD, low), None)) == 2
    assert number_of(champion((*OLD, low, same), None)) == 4


def test_nothing_has_no_champion() -> None:
    assert champion((), None) is None
    assert champion((), Request(number=1, newest=3, at_ms=5)) is None


def test_what_was_asked_for_stays_whatever_is_recorded_again() -> None:
    asked = Request(number=1, newest=4, at_ms=25)
    assert number_of(champion((*OLD, *NEW), asked)) == 1


def test_what_was_asked_for_goes_when_it_passes_no_more_and_none_of_before_follows() -> None:
    asked = Request(number=1, newest=4, at_ms=25)
    gone = version(1, since=10, passing=False, reason="does not pass")
    assert champion((gone, OLD[1], *NEW), asked) is None


def test_a_smaller_version_of_its_scope_registered_since_follows_what_was_asked_for() -> None:
    asked = Request(number=1, newest=4, at_ms=25)
    larger, smaller = version(5, since=10, size_bytes=9000), version(6, since=10, size_bytes=10)
    assert number_of(champion((*OLD, *NEW, larger), asked)) == 1
    assert number_of(champion((*OLD, *NEW, larger, smaller), asked)) == 6


def test_a_scope_that_is_newer_than_the_request_wins_also_by_a_version_from_before_it() -> None:
    asked = Request(number=1, newest=4, at_ms=25)
    newest = version(5, "newest", since=40, size_bytes=9000)
    assert number_of(champion((*OLD, *NEW, newest), asked)) == 5
    judged_again = version(3, "newest", since=40, size_bytes=8000)
    assert number_of(champion((*OLD, judged_again, NEW[1]), asked)) == 3


def test_a_version_that_was_deleted_after_somebody_asked_for_it_leaves_no_champion() -> None:
    assert champion(NEW, Request(number=1, newest=4, at_ms=25)) is None
