"""What is asked of whom: protocols, trials, the published tables' random stream, plan and power; uses table."""
