"""Personal data in corpora, found, counted and replaced."""
