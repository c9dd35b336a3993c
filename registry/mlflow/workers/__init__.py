"""The code that travels with every version, and answers wherever MLflow is: it imports none of ours."""
