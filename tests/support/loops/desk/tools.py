"""What the desk's tools say: pure functions of their arguments."""

REASONS = ("broken", "lost", "wrong size", "duplicate")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


def find_order(order_id):
    """Every order of two letters and four digits exists; its last digit says how far it is."""
    letters, _, digits = order_id.partition("-")
    if len(letters) != 2 or len(digits) != 4 or not digits.isdigit():
        return {"error": "an order number has two letters, a dash and four digits"}
    status = "delivered" if int(digits) % 2 else "on its way"
    return {"order_id": order_id, "status": status, "day": DAYS[int(digits) % 5]}


def refund(order_id, reason):
    """Refund for one of four reasons."""
    if reason not in REASONS:
        return {"error": f"reason is one of: {', '.join(REASONS)}"}
    return {"order_id": order_id, "refunded": True}


def deliver(order_id, day):
    """Deliver on working days."""
    if day not in DAYS:
        return {"error": f"day is one of: {', '.join(DAYS)}"}
    return {"order_id": order_id, "day": day}
