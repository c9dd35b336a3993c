"""Graders: total, versioned judgements of an answer against an item's expectation."""
