"""transformers as a runtime, and as the reading of a checkpoint that others are held to."""
