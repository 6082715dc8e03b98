"""Activations of many texts on disk: written as they are made, read in parts."""
