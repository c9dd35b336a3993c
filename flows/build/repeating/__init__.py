"""The same command again, when nothing that its plan was made of has changed."""
