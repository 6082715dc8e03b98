"""What all commands share: their parser and options, settings, the answer, progress, files."""
