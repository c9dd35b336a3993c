"""Numbers, quantities with units, and mathematics."""
