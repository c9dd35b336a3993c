"""Scales of a quantized cache, as compressed-tensors 0.19 stores them."""

CACHE_SCALES = ("k_scale", "v_scale")
"""What an attention layer stores for its keys and its values."""
