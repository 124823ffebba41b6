"""Pictures and weights with which an untrained network behaves like a trained one.

In a network of random kernels every rounding is amplified from layer to layer, like any
other noise, until LiteRT's own two sets of kernels differ from each other by 20 to 60
output steps on one file. Trained kernels are not like that: their channels carry a
common signal. So every kernel gets a mean, which makes channels that carry one;
BatchNorm statistics come from pictures, its beta is 1, and logits vary by 1.
"""

import numpy as np
import tensorflow as tf
import tf_keras as keras

# How strong the signal that channels have in common is, against what each adds.
COMMON_SIGNAL = 3.0


def pictures(num, shape, scale=1, seed=0):
    """Returns pictures of few, large shapes, of different brightness and contrast."""
    random = np.random.default_rng(seed)
    height, width, channels = shape
    made = []
    for index in range(num):
        cells = int(random.integers(2, 9))
        low = random.random((1, cells, cells, channels)).astype("float32")
        method = ("bilinear", "nearest", "bicubic")[index % 3]
        picture = tf.image.resize(low, (height, width), method=method).numpy()[0]
        contrast, brightness = random.uniform(0.2, 1), random.uniform(0.2, 0.8)
        made.append((picture - picture.mean()) * contrast + brightness)
    return np.clip(np.array(made, np.float32), 0, 1) * np.float32(scale)


def make_realistic(model, images):
    """Gives a tf_keras model such weights, in place."""
    norms = []
    last = [layer for layer in model.layers if layer.weights][-1]
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            norms.append(layer)
            layer.momentum = 0.0
            # A ReLU behind it then passes most of what there is.
            layer.beta.assign(tf.ones_like(layer.beta))
        for weight in layer.weights:
            if "kernel" in weight.name and layer is not last:
                num_axes = 2 if "depthwise" in weight.name else -1
                fan_in = np.prod(weight.shape[:num_axes])
                values = weight.numpy()
                mean = COMMON_SIGNAL * values.std() / np.sqrt(fan_in)
                weight.assign(values + mean)
    if norms:
        model(images, training=True)
    else:
        _unit_variance(model, images)
    for norm in norms:
        norm.momentum = 0.9
    logits = model(images, training=False).numpy()
    last.weights[0].assign(last.weights[0] / logits.std(axis=0).max())
    logits = model(images, training=False).numpy()
    if len(last.weights) > 1:
        last.weights[1].assign(last.weights[1] - logits.mean(axis=0))


def _unit_variance(model, images):
    """Scales each kernel so that its layer's outputs vary by 1 (LSUV)."""
    for layer in model.layers:
        if layer.weights:
            output = keras.Model(model.input, layer.output)(images).numpy()
            layer.weights[0].assign(layer.weights[0] / max(output.std(), 1e-6))
