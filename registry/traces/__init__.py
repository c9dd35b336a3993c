"""Conversations from MLflow's traces."""
