"""What others made: taken over byte for byte, and read back."""
