"""Progress a person can follow."""
