"""The silent-failure sentry: what a variant was promised to be, held against what it is."""
