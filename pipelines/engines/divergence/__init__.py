"""How far two models' next-token distributions are apart, whichever engine computes them."""
