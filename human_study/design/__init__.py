"""What is asked of whom: protocols, rules, cast, order and sides, the published tables' stream, plan; uses table."""
