"""How long many builds would take on machines that are not there yet: measured costs, scheduled on paper."""
