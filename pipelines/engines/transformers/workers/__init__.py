"""Child processes that load transformers."""
