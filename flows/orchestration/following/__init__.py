"""Releases followed by command, on a schedule, or when a hub says so."""
