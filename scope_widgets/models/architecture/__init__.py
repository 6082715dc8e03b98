"""The parts of a model and what they compute alone, under names that are the same for every family."""
