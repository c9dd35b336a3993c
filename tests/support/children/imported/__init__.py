"""What does something while it is imported, for tests of fork servers."""
