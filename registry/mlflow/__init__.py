"""All that knows MLflow: its client, its tables, its REST interface, and the model it can load."""
