"""Sealed corpora: assembled, carded, compared, tokenized."""
