"""Pictures under opaque names, HIT tables, the page and its scripts, the batch on disk; uses table and design."""
