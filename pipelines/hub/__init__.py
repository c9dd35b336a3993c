"""A model hub: which revision is meant, how its files come here, and tables of data sets."""
