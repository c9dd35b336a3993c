"""What a store holds that may go: found, explained, removed; `quantgate gc`."""
