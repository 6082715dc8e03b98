"""Claims: what an entry says that a component does, as data that can be run."""
