"""How children end: by what, with which last words, hung, or for want of memory."""
