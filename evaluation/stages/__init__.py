"""What the main job does to a run directory before it is scored; uses the rooms beside it."""
