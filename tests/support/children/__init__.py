"""Workers of tests, and calls of them."""
