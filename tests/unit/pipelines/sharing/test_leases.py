"""Leases: one of many has it, it expires by the place's clock, and who comes back late does no harm."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from quantgate.pipelines.sharing.leases import HeldLease, Lease, LeasedElsewhere, Leases
from tests.support.shared_objects import Interleaving, MemoryObjects, away

RUN = "runs/a--1"


def held(taken: HeldLease | LeasedElsewhere) -> HeldLease:
    assert isinstance(taken, HeldLease)
    return taken


def leases(objects: MemoryObjects, owner: str = "one (process 1)", seconds: float = 60.0) -> Leases:
    return Leases(objects, owner=owner, seconds=seconds)


def test_of_many_hosts_one_has_it_and_the_others_are_told_who() -> None:
    objects = MemoryObjects()
    hosts = [leases(objects, f"host {n}") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        taken = [*pool.map(lambda host: host.take(RUN), hosts)]
    (winner,) = (each for each in taken if isinstance(each, HeldLease))
    losers = [each.owner for each in taken if isinstance(each, LeasedElsewhere)]
    assert len(losers) == 7 and set(losers) <= {winner.lease.owner}


@pytest.mark.parametrize("seed", range(60))
def test_no_order_of_requests_gives_it_to_two(seed: int) -> None:
    objects, order = MemoryObjects(), Interleaving(seed)
    objects.before = order.step
    taken: list[HeldLease | LeasedElsewhere] = []
    hosts = [leases(objects, f"host {n}") for n in range(3)]
    order.run(*(lambda host=host: taken.append(host.take(RUN)) for host in hosts))
    assert sum(isinstance(each, HeldLease) for each in taken) == 1


@pytest.mark.parametrize("seed", range(40))
def test_of_hosts_that_take_over_an_expired_one_one_has_it(seed: int) -> None:
    objects, order = MemoryObjects(), Interleaving(seed)
    held(leases(objects, "the dead").take(RUN))
    objects.now += 62
    objects.before = order.step
    taken: list[HeldLease | LeasedElsewhere] = []
    hosts = [leases(objects, f"host {n}") for n in range(3)]
    order.run(*(lambda host=host: taken.append(host.take(RUN)) for host in hosts))
    assert sum(isinstance(each, HeldLease) for each in taken) == 1


def test_a_lease_that_is_renewed_never_expires() -> None:
    objects = MemoryObjects()
    mine = held(leases(objects).take(RUN))
    for _ in range(10):
        objects.now += 50
        mine.renew()
        assert leases(objects, "two").take(RUN) == LeasedElsewhere(owner="one (process 1)")
    assert not mine.lost


def test_the_places_clock_decides_whatever_hosts_think_of_the_time() -> None:
    objects = MemoryObjects(now=5.0)  # years behind this host
    held(leases(objects).take(RUN))
    objects.now += 60
    assert isinstance(leases(objects, "two").take(RUN), LeasedElsewhere)
    objects.now += 2
    assert held(leases(objects, "two").take(RUN)).lease.owner == "two"


def test_who_lost_a_lease_sees_it_and_leaves_the_new_ones_alone() -> None:
    objects = MemoryObjects()
    slow = held(leases(objects, "slow").take(RUN))
    objects.now += 62
    quick = held(leases(objects, "quick").take(RUN))
    slow.renew()
    assert slow.lost
    slow.give_up(made=True)
    quick.renew()
    assert not quick.lost
    assert leases(objects, "third").take(RUN) == LeasedElsewhere(owner="quick")


def test_a_lease_that_could_not_be_renewed_in_time_counts_as_lost() -> None:
    objects, now = MemoryObjects(), [0.0]
    mine = held(leases(objects).take(RUN))
    mine.clock = lambda: now[0]
    mine.renew()
    now[0] = 61.0
    assert mine.lost


def test_one_that_was_given_up_without_result_is_had_at_once() -> None:
    objects = MemoryObjects()
    held(leases(objects).take(RUN)).give_up(made=False)
    assert held(leases(objects, "two").take(RUN)).lease.owner == "two"


def test_nothing_is_left_of_leases_of_what_was_made() -> None:
    objects = MemoryObjects()
    host = leases(objects)
    held(host.take(RUN)).give_up(made=True)
    host.close()
    assert objects.contents == {}


def test_a_creation_whose_reply_was_lost_is_known_as_ones_own() -> None:
    objects = MemoryObjects()

    class Forgetful(MemoryObjects):
        def create(self, name: str, content: bytes) -> bool:
            objects.create(name, content)
            return objects.create(name, content)  # the client tried again

        read, listed, write = objects.read, objects.listed, objects.write

    assert isinstance(leases(Forgetful()).take(RUN), HeldLease)


def test_a_damaged_lease_is_nobodys() -> None:
    objects = MemoryObjects()
    objects.write(f"leases/{RUN}/00000001.json", b"{")
    assert Lease.decoded(b"[1]").released
    assert isinstance(leases(objects).take(RUN), HeldLease)


def test_the_thread_renews_and_stops_when_it_is_given_up() -> None:
    objects, renewed = MemoryObjects(), threading.Event()
    mine = held(leases(objects, seconds=0.08).take(RUN))
    objects.after = lambda verb, _name: renewed.set() if verb == "write" else None
    mine.start_renewing()
    assert renewed.wait(5)
    mine.give_up(made=False)
    assert Lease.decoded(objects.contents[f"leases/{RUN}/00000001.json"]).released


def test_a_place_that_is_away_while_a_lease_is_given_up_lets_it_expire() -> None:
    objects = MemoryObjects()
    mine = held(leases(objects).take(RUN))
    objects.before = away
    mine.give_up(made=False)
    objects.before = lambda _verb, _name: None
    objects.now += 62
    assert isinstance(leases(objects, "two").take(RUN), HeldLease)
