"""What is sent into sandboxes as text: standard library only, nothing else of this project."""
