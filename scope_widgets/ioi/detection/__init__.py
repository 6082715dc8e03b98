"""Detection of the IOI heads of a model by what they cause."""
