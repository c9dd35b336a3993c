"""Disks that are full, read-only or of another user: told as the machine's trouble."""
