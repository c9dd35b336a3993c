"""What is asked: items, turns, graders' names, thoughts, and what people decided about answers."""
