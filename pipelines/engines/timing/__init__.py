"""How fast an engine answers: the seam to its meter."""
