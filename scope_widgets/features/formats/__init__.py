"""Files of sparse autoencoders, in the layouts of the libraries that write them."""
