"""What a build came to, in nouns that cost little to import."""
