"""Keras layers that tf_keras lacks and that the models of this package are made of."""
