"""A corpus held against a suite and against the tools that read it."""
