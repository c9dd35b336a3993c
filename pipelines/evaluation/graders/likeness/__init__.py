"""Graded likeness of two texts."""
