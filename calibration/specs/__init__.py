"""What a corpus is made of: as people write it, and as domain objects."""
