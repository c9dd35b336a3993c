"""Calls of tools, in every format that models write."""
