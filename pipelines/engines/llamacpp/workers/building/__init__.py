"""Child processes that make GGUF files."""
