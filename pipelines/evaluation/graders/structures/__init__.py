"""JSON answers, by fields and by schema."""
