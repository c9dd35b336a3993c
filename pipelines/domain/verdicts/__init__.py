"""What is found: audits, rulers, policies, waivers, decisions and verdicts."""
