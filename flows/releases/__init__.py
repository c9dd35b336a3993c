"""What is followed, what is new, and who builds it."""
