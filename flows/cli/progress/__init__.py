"""Commands that show what runs and ran."""
