"""What a store holds: `quantgate gc`; and the one that hosts share: `quantgate store`."""
