"""Commands that follow releases."""
