"""The IOI data set: prompts with the position of every role, and the roles of a sentence of one's own."""
