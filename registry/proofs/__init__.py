"""Proofs for strangers: a bundle holds all that a verdict rests on, and is judged again without any model."""
