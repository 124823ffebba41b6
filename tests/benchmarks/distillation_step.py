"""What distillation adds to a training step, beside the Distiller of Keras 3.

Run: `python tests/benchmarks/distillation_step.py`. Bursts of steps alternate, as in
`training_step.py`, on batches as training reads them. A cached teacher may cost 1.05
times a plain step; one that runs at every step 1.1 times a plain step and a forward
pass of the teacher. Both Keras train nets that are built by the same lines; plain steps
of both are shown, as they differ in that already.
"""

import argparse
import sys
import tempfile

import keras as keras_3
import tensorflow as tf
import tf_keras
from alternating import low_seconds, verdict

import tfcompress as tfc
from tfcompress.training.distillation import FeatureDistillation, LogitDistillation
from tfcompress.training.distillation.mean_teacher import copy_of
from tfcompress.training.distillation.teacher_cache import cached_logits
from tfcompress.training.distiller import Distiller

LIMITS = {"plain again": 1.05, "cached": 1.05}
MAX_ONLINE = 1.1
CLASSIC = ((LogitDistillation(4.0), 0.7),)


def net(keras, name, width, num_blocks, *, is_separable):
    """Returns a small CNN, in either Keras."""
    layers = keras.layers
    image = keras.Input((28, 28, 1))
    x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(image)
    for place in range(num_blocks):
        if is_separable:
            x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        size = 1 if is_separable else 3
        x = layers.Conv2D(width, size, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU(name=f"block_{place}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10)(x), name=name)


def student(keras):
    return net(keras, "student", 64, 5, is_separable=True)


def teacher(keras):
    return net(keras, "teacher", 64, 3, is_separable=False)


def compiled(keras, model, **options):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(1e-3), loss=loss, **options)
    return model


def of_keras_3():
    """Returns a plain student and a Distiller there, without XLA, as ours."""
    # With its loss as a text, the default, it takes no softmax of the logits.
    loss = keras_3.distillation.LogitsDistillation(4.0, keras_3.losses.KLDivergence())
    distiller = keras_3.distillation.Distiller(
        teacher=teacher(keras_3),
        student=student(keras_3),
        distillation_losses=loss,
        student_loss_weight=0.3,
    )
    plain = student(keras_3)
    return [compiled(keras_3, model, jit_compile=False) for model in (plain, distiller)]


def candidates(data, batch_size):
    """Returns functions that make one step each, by what is trained."""
    model = teacher(tf_keras)
    run = tfc.Run(data=data, workdir=tempfile.mkdtemp())
    views = cached_logits(model, run, 2)
    plain_batches = iter(data.train_batches(batch_size, seed=0))
    cached_batches = iter(data.train_batches(batch_size, seed=0, views=views))
    features = (*CLASSIC, (FeatureDistillation("block_2", "block_2"), 1.0))
    following = student(tf_keras)
    keras_3_plain, keras_3_distiller = of_keras_3()
    images, _ = next(plain_batches)
    answer = tf.function(lambda images: model(images, training=False))

    def trained(model):
        model = compiled(tf_keras, model)
        return lambda: model.train_on_batch(*next(plain_batches))

    cached = compiled(tf_keras, Distiller(student(tf_keras), None, CLASSIC, 0.3))
    return {
        "plain": trained(student(tf_keras)),
        "plain again": trained(student(tf_keras)),
        "cached": lambda: cached.train_on_batch(*next(cached_batches)),
        "the teacher's forward pass": lambda: answer(images),
        "online": trained(Distiller(student(tf_keras), model, CLASSIC, 0.3)),
        "online, with features": trained(
            Distiller(student(tf_keras), model, features, 0.3)
        ),
        "mean teacher": trained(
            Distiller(
                following, copy_of(following), CLASSIC, 0.3, teacher_momentum=0.99
            )
        ),
        "Keras 3, plain": lambda: keras_3_plain.train_on_batch(*next(plain_batches)),
        "Keras 3, Distiller": lambda: keras_3_distiller.train_on_batch(
            *next(plain_batches)
        ),
    }


def main():
    """Prints the ratios; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=8, help="steps a burst")
    parser.add_argument("--batch_size", type=int, default=128)
    arguments = parser.parse_args()
    augmentation = tfc.Augmentation(shift=1, horizontal_flip=True)
    data = tfc.data.load("fashion_mnist_small", augmentation=augmentation)
    steps = candidates(data, arguments.batch_size)
    low = low_seconds(steps, arguments.rounds, arguments.steps)
    ratios = {name: seconds / low["plain"] for name, seconds in low.items()}
    online = ratios["online"] / (1 + ratios["the teacher's forward pass"])
    for name, seconds in low.items():
        limit = f"  (at most {LIMITS[name]})" if name in LIMITS else ""
        print(f"{name:28} {1000 * seconds:7.1f} ms {ratios[name]:6.3f}x{limit}")
    print(f"online / (plain + forward) {online:.3f}x  (at most {MAX_ONLINE})")
    theirs = ratios["Keras 3, Distiller"] / ratios["Keras 3, plain"]
    print(f"Distiller / plain step, in Keras 3: {theirs:.3f}x")
    return verdict(ratios, LIMITS) or int(online > MAX_ONLINE)


if __name__ == "__main__":
    sys.exit(main())
