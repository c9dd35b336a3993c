"""Predicting breaks from the base's decision margins, and holding predictions against what broke."""
