"""AWQ and SmoothQuant before anything is built: what llm-compressor would scale, and if that is harmless."""
