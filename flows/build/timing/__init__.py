"""How fast variants are beside their base."""
