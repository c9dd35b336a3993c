"""What a store holds: `quantgate gc`."""
