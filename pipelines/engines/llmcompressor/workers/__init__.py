"""Child processes that load llm-compressor."""
