"""Which recipes to try first for a model, a device and its memory, before anything is built."""
