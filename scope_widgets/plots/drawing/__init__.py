"""What the figures are made of: grounds and colours, labels, maps, dots with intervals."""
