"""States of builds."""
