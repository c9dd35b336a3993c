"""What is registered, read without MLflow: `quantgate lookup`, `lineage`, `history`, `compare` and so on."""
