"""Our Prefect server keeps what thousands of units tell it at once; Prefect by itself drops some."""

import asyncio

import pytest
from prefect.server.utilities.messaging import memory

from quantgate.flows.orchestration.server.keeper import roomy

MESSAGES = 15_000
"""What some 4,000 units tell, faster than it is written."""


async def kept() -> int:
    """Publish messages to a topic with one subscription; return how many wait there."""
    topic = memory.Topic("units")
    subscription = topic.subscribe()
    for number in range(MESSAGES):
        await topic.publish(memory.MemoryMessage(str(number), {}))
    return subscription._queue.qsize()


def test_messages_wait_where_prefect_by_itself_drops_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(kept()) == 10_000, "Prefect has another limit: is ours still needed?"
    monkeypatch.setattr(memory, "Subscription", roomy(memory.Subscription))
    assert asyncio.run(kept()) == MESSAGES
