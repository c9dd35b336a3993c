"""Variants: keyed by what they are built from, built once."""
