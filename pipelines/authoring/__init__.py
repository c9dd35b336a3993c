"""What helps people write suites: check, mine, tails, proofs, duplicates, drafts, import."""
