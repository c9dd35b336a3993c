"""Graders whose grade needs a measurement first: code, judge models, harness tasks."""
