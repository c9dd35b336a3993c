"""Made-up runs, verdicts and reports."""
