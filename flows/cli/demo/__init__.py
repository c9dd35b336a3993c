"""`quantgate demo`: a real build's transcripts, judged again without weights."""
