"""How results look on a terminal, and in plain lines elsewhere."""
