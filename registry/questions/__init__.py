"""What a registry is asked: look-ups, lineages, histories, comparisons; answered without MLflow."""
