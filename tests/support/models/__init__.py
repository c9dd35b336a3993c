"""Small checkpoints, and what stands in them."""
