"""A process that has imported a family of workers, and forks one for each call."""
