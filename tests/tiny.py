"""Tiny seeded data and models that tests share."""

import numpy as np
import tf_keras as keras

import tfcompress as tfc

layers = keras.layers


def arrays(num_per_class=24, num_classes=3, seed=0):
    """Images of 8x8x1 whose brightest rows tell the class: learnable in seconds."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), num_per_class)
    images = random.integers(0, 100, (len(labels), 8, 8, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 150
    return images, labels


def data(**options):
    return tfc.data.from_arrays(arrays(seed=0), arrays(10, seed=1), **options)


def npz(folder):
    (x_train, y_train), (x_test, y_test) = arrays(seed=0), arrays(10, seed=1)
    path = folder / "tiny.npz"
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


def model(num_classes=3, seed=0):
    """A depthwise-separable net of 8x8x1 with every kind of kernel there is."""
    keras.utils.set_random_seed(seed)
    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem_conv")(image)
    x = layers.BatchNormalization(momentum=0.9, name="stem_norm")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(
        3, 2, padding="same", use_bias=False, name="block_depthwise"
    )(x)
    x = layers.BatchNormalization(momentum=0.9, name="block_norm")(x)
    x = layers.ReLU(6.0, name="block_relu")(x)
    y = layers.Conv2D(8, 1, name="block_project")(x)
    x = layers.Add(name="block_add")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(num_classes, name="logits")(x), name="tiny")


def dense(side=4, num_classes=3, activation=None, name="student"):
    """The smallest classifier, of side x side x 1."""
    image = layers.Input((side, side, 1), name="image")
    logits = layers.Dense(num_classes, activation, name="logits")
    return keras.Sequential([image, layers.Flatten(name="flat"), logits], name=name)


def student_and_teacher():
    """Two nets that differ in their biases most.

    Labels, of which there are as many of each class, would make all biases equal.
    """
    student, teacher = model(), model(seed=1)
    student.get_layer("logits").bias.assign([3.0, -2.0, 0.0])
    teacher.get_layer("logits").bias.assign([0.0, -2.0, 3.0])
    return student, teacher
