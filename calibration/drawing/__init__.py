"""Sources scanned in parts, and rows drawn by rank and mix."""
