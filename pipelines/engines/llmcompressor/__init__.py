"""llm-compressor: schemes, shapes, and what is promised of a folder it writes."""
