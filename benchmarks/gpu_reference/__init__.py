"""Everything that is worth measuring on a GPU, in one command: the plan, the step times, and the trainings."""
