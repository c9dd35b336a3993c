"""The corpora of a build."""
