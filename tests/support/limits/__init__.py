"""Bounds on what tests and their children may take, and what they took."""
