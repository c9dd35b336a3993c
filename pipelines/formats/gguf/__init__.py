"""Readers of GGUF files: their header, their parts, and the types their tensors can have."""
