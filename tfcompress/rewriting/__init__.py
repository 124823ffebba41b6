"""A Keras model as a graph that can be changed, and the changes that are made to it."""
