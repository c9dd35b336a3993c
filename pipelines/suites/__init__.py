"""Suites as teams write them: items, tables, turns, long contexts, and what people decided."""
