"""Training sparse autoencoders and transcoders."""
