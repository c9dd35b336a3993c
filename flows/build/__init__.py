"""A build: planned, looked into beforehand, done unit by unit, judged. Knows no Prefect."""
