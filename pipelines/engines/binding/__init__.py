"""Answers bound to JSON schemas, token by token, for every engine that chooses its tokens here."""
