"""Types of tensors in GGUF files: llama.cpp's table and rules, what a recipe gives, and what fits."""
