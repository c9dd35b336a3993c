"""Attestations: what a version was made from and judged by, in formats that other tools read, signed."""
