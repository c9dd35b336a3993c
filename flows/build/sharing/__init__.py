"""The store that a build shares with other hosts, if it does."""
