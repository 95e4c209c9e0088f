"""The protocol of a study: its design, rules, questions and texts."""
