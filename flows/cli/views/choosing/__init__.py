"""What helps to choose a variant, shown: a search, and what is recommended before one."""
