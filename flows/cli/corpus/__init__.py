"""`quantgate corpus …`: its commands and what they do."""
