"""Sparse autoencoders: what they compute, their codes, their files."""
