"""Commands as whole processes."""
