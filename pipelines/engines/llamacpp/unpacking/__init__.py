"""GGUF files as checkpoints: what their keys say of tokenizer and configuration, and how they are opened."""
