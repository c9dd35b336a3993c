"""What is sent into a sandbox: an answer's program, a suite's tests, and how they talk."""
