"""What happened, as Prefect events."""
