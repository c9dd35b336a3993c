"""A search: which variants of a build have to be built and asked to find the cheapest that passes."""
