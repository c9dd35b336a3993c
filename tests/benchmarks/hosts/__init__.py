"""What several hosts cost and save each other."""
