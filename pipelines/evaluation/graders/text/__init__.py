"""Words: exact ones, choices, refusals, injections, languages."""
