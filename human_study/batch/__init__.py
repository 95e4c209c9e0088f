"""Pictures under opaque names, HIT tables, and the batch on disk; uses trials and responses."""
