"""Child processes of observed graders: they look at answers, and their observations are graded later."""
