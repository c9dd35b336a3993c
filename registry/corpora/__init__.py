"""What MLflow holds of calibration corpora: their runs, datasets, and how far traffic was from them."""
