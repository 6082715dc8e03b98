"""The parts of a model and what each of them computes, under names that are the same for every family."""
