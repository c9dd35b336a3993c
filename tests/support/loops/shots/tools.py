"""What the desk's tool says: a pure function of its argument."""

ORDERS = {
    "B7": "sent on Friday",
    "Q9": "stored in Berlin",
    "M3": "delivered on Tuesday",
    "T4": "sent on Sunday",
    "Z8": "stored in Paris",
    "C2": "returned on Monday",
    "D6": "sent on Wednesday",
    "F1": "stored in London",
    "G5": "delivered on Thursday",
    "H9": "lost on Saturday",
    "J3": "packed on Friday",
    "L7": "stored in Rome",
    "N4": "sent on Tuesday",
    "P8": "returned on Sunday",
    "R2": "stored in Madrid",
    "S6": "delivered on Monday",
    "U1": "packed on Wednesday",
    "V5": "stored in Vienna",
    "W9": "sent on Thursday",
    "X3": "lost on Friday",
    "Y7": "stored in Oslo",
    "B4": "returned on Tuesday",
    "C8": "delivered on Sunday",
    "D2": "stored in Tokyo",
    "F6": "packed on Monday",
    "G1": "sent on Saturday",
    "H5": "stored in Dublin",
    "J9": "delivered on Wednesday",
    "L3": "returned on Thursday",
    "M7": "stored in Prague",
    "N2": "packed on Sunday",
    "P6": "lost on Monday",
    "Q1": "stored in Lisbon",
    "R5": "sent on Monday",
    "S9": "delivered on Friday",
    "T3": "stored in Athens",
}


def find_order(id):
    """Say where an order is."""
    return ORDERS.get(id, "unknown")
