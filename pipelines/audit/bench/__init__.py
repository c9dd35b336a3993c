"""The bench on which bases and variants are measured; each audit is sealed in the store."""
