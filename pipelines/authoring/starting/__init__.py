"""`quantgate init`: a first suite, traffic, policy and build file, proposed from questions and answers."""
