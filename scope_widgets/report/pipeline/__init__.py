"""The pipeline of `microscope analyze`: stages, each finished once, in a folder that says what it holds."""
