"""Conversations from MLflow's traces."""

PREFIX = "mlflow:"
"""Begins the name of an experiment where a file could stand as well."""
