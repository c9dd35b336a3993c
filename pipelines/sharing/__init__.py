"""A second level of the store that several hosts share: what is kept there, and who makes what."""
