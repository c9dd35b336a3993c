"""How far the builds of a store are, and what became of them."""
