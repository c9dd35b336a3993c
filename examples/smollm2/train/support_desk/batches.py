"""Training sequences and batches of like length."""

from learning import Example, batches, tensors

__all__ = ["Example", "batches", "tensors"]
