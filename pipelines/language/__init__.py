"""Which language, script and words a text has: once, for graders, suites and corpora."""
