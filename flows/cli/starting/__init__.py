"""`quantgate init`: reading what people have, and writing what they need."""
