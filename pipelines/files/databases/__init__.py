"""Databases that tools keep: empty ones of a tool's version."""
