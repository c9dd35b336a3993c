"""JSON schemas, printed: of files that people write, and of what commands print."""
