"""The tool calls of the support desk and how each is filled from a message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

# Leaves of an argument tree name slots; a drawn value then takes the leaf's place.
Shape: TypeAlias = str | dict[str, "Shape"] | list["Shape"]
Value: TypeAlias = str | int | float | bool
Json: TypeAlias = Value | dict[str, "Json"] | list["Json"]
Call: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One callable: the slice its calls belong to and the shape of its arguments."""

    slice: str
    arguments: dict[str, Shape]

    @property
    def slots(self) -> list[str]:
        """Every slot that a message for this tool must mention."""
        return list(_leaves(self.arguments))


TOOLS: dict[str, Tool] = {
    "track_order": Tool(slice="flat", arguments={"order_id": "order_id"}),
    "cancel_order": Tool(slice="flat", arguments={"order_id": "order_id"}),
    "refund_order": Tool(slice="flat", arguments={"order_id": "order_id", "reason": "reason"}),
    "reset_password": Tool(slice="flat", arguments={"email": "email"}),
    "send_invoice": Tool(slice="flat", arguments={"order_id": "order_id", "email": "email"}),
    "ship_order": Tool(
        slice="five_arguments",
        arguments={key: key for key in ("order_id", "name", "city", "method", "day")},
    ),
    "book_callback": Tool(
        slice="five_arguments",
        arguments={key: key for key in ("name", "phone", "day", "time", "topic")},
    ),
    "exchange_item": Tool(
        slice="nested",
        arguments={
            "order_id": "order_id",
            "from": {"size": "from_size", "color": "from_color"},
            "to": {"size": "to_size", "color": "to_color"},
        },
    ),
    "send_gift": Tool(
        slice="nested",
        arguments={
            "order_id": "order_id",
            "recipient": {"name": "name", "city": "city"},
            "wrap": "wrap",
        },
    ),
    "split_order": Tool(
        slice="nested",
        arguments={
            "order_id": "order_id",
            "parcels": [
                {"city": "first_city", "count": "first_count"},
                {"city": "second_city", "count": "second_count"},
            ],
        },
    ),
    "report_meter": Tool(slice="numeric", arguments={"meter": "meter", "reading": "reading"}),
    "pay_invoice": Tool(slice="numeric", arguments={"invoice": "invoice", "amount": "amount"}),
    "move_points": Tool(
        slice="numeric",
        arguments={"from": "from_account", "to": "to_account", "points": "points"},
    ),
}


def call_of(name: str, values: Mapping[str, Value]) -> Call:
    """The call that a message with these slot values asks for."""
    return {"name": name, "arguments": _filled(TOOLS[name].arguments, values)}


def refusal(reason: str) -> Call:
    """The call that turns a request down, for one of the reasons of the desk's policy."""
    return {"name": "refuse", "arguments": {"reason": reason}}


def answer_text(call: Call) -> str:
    """A call as the model writes it: compact JSON, letters as they are."""
    return json.dumps(call, ensure_ascii=False, separators=(",", ":"))


def _leaves(shape: Shape) -> Iterator[str]:
    if isinstance(shape, str):
        yield shape
        return
    for child in shape.values() if isinstance(shape, dict) else shape:
        yield from _leaves(child)


def _filled(shape: Shape, values: Mapping[str, Value]) -> Json:
    if isinstance(shape, str):
        return values[shape]
    if isinstance(shape, dict):
        return {key: _filled(child, values) for key, child in shape.items()}
    return [_filled(child, values) for child in shape]
