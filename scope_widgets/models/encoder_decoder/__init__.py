"""What is different of an encoder-decoder model: the source that its encoder reads, and how its decoder reads text."""
