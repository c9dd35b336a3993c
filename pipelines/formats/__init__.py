"""Bytes of others, read without their tools: safetensors, GGUF, packed weights, tokenizer folders."""
