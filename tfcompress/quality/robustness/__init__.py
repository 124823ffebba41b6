"""What is left of the accuracy where images are not as they should be."""
