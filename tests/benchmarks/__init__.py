"""Benchmarks: ratios measured in one run, never a timed unit test."""
