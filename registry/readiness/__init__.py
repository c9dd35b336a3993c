"""Is a registry ready to take what is about to be built? Asked while planning, without importing MLflow."""
