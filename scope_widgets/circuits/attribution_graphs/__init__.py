"""What made a model say a token, one prompt at a time: features of transcoders and what each gives the others."""
