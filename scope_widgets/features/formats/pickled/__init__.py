"""What is published as pickles: read in a process of their own, and written anew as safetensors."""
