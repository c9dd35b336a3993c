"""When the base itself is right too rarely for a pass to mean much."""

LOW_BASE_ACCURACY = 0.8
"""Below this accuracy of the base every pass carries a warning."""
