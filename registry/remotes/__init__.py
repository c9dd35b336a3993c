"""Folders elsewhere that weights go to: MLflow's artifact store, and what fsspec knows; sending there."""
