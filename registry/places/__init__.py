"""Where registered files lie, fetching them, and what serves them."""
