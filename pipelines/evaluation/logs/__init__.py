"""Logs of other evaluation tools, read as runs that can be paired."""
