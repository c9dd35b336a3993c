"""The nouns: frozen dataclasses of the standard library, with no behaviour beyond derived facts."""
