"""What can be known before the first expensive minute."""
