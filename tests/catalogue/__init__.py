"""The catalogue of architectures: what of every causal architecture is built, and by whom it is refused."""
