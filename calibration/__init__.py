"""Calibration corpora: specified, assembled, sealed, versioned and held against the suite."""
