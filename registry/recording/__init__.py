"""Recording what was judged: what an MLflow run holds, receipts on disk and their proofs."""
