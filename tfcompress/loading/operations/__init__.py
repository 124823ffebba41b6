"""Raw operations in a model, such as `x * 2` or `tf.reshape(x, ...)`, as layers."""
