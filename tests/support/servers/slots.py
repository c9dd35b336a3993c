"""Slots of a limit that a Prefect server keeps, taken by somebody who is never heard of again."""

import time
from contextlib import suppress

import httpx

_LEASE_SECONDS = 60
"""The least that Prefect takes."""
_FREE_SECONDS = 240.0


def take_slot(prefect: httpx.Client, limit: str) -> None:
    """Make a limit of one slot and hold that by a lease, which nobody renews."""
    prefect.post("/v2/concurrency_limits/", json={"name": limit, "limit": 1}).raise_for_status()
    asked = {"names": [limit], "slots": 1, "mode": "concurrency", "lease_duration": _LEASE_SECONDS}
    taken = prefect.post("/v2/concurrency_limits/increment-with-lease", json=asked)
    assert taken.status_code == 200, taken.text
    assert _slots_held(prefect, limit) == 1


def wait_until_free(prefect: httpx.Client, limit: str) -> None:
    """Wait until a limit's slot is free; fail where it is not within minutes."""
    began = time.monotonic()
    while _slots_held(prefect, limit) != 0:
        assert time.monotonic() - began < _FREE_SECONDS, "the slot is held for ever"
        time.sleep(2)


def _slots_held(prefect: httpx.Client, limit: str) -> int | None:
    """Return how many slots of a limit are held, None while the server is started anew."""
    with suppress(httpx.HTTPError):
        answer = prefect.get(f"/v2/concurrency_limits/{limit}")
        if answer.status_code == 200:
            return int(answer.json()["active_slots"])
    return None
