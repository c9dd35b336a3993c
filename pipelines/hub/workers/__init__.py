"""Child processes of the hub."""
