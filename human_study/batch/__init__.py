"""A batch on disk: pictures under opaque names, HIT tables, the secret plan."""
