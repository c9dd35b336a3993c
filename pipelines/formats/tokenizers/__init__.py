"""Tokenizers as checkpoints hold them: files, special tokens and chat templates."""
