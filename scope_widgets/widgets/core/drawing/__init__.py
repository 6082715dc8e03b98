"""Drawing without a browser: a sheet in points, colours, pictures of cells, and the files that are made of them."""
