"""`quantgate suite …`: its commands and what they do."""
