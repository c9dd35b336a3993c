"""What is shown of what runs and what was noticed."""
