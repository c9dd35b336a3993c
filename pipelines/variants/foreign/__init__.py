"""Quants that others made, looked into and planned as variants."""
