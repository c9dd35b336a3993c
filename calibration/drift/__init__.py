"""Drift: how far today's traffic is from what a corpus was sampled from, and whether that is chance."""
