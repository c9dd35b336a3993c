"""The audits of a build: of bases and of variants."""
