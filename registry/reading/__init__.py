"""Reading a registry in milliseconds, without MLflow: its database's tables, or its server's replies."""
