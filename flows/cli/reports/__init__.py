"""`quantgate report` and builds compared: what builds left, listed, exported, held against each other."""
