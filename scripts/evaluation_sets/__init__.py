"""What the package's evaluation suites are made of, and the command that writes them."""
