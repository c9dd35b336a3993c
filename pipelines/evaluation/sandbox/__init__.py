"""Where programs that a model wrote may run, tried before it is trusted."""
