"""What units need of the machine, and who has it now."""
