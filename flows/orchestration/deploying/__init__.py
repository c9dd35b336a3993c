"""Deployments of a file, checked before a server gets them."""
