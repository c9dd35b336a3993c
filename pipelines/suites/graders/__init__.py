"""What a team writes of a grader, kind by kind."""
