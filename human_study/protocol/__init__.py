"""What a study asks of its participants: protocols, rules, questions and texts."""
