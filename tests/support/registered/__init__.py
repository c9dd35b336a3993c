"""Made-up evidence, and registries full of it."""
