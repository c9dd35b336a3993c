"""What workers of several engines share."""
