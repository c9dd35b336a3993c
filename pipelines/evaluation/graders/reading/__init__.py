"""What all graders read answers with."""
