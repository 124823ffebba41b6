import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
import tiny

from tfcompress.errors import ModelError
from tfcompress.quantization.apply import fake_quantize
from tfcompress.training.distillation.layer_outputs import outputs_of
from tfcompress.training.distillation.loss import LOGITS

IMAGES = tf.constant(tiny.arrays()[0][:4] / 255, tf.float32)
NAMES = ("stem_conv", "stem_relu", "block_project")


def wrapped(model, wrap):
    """Wraps the convolutions; the other layers are in both models then."""
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: wrap(layer) if "conv" in layer.name else layer,
    )


def pruned(model):
    return wrapped(model, tfmot.sparsity.keras.prune_low_magnitude)


def clustered(model):
    settings = {
        "number_of_clusters": 4,
        "cluster_centroids_init": tfmot.clustering.keras.CentroidInitialization.LINEAR,
    }
    return wrapped(
        model, lambda layer: tfmot.clustering.keras.cluster_weights(layer, **settings)
    )


@pytest.mark.parametrize(
    "change", [lambda model: model, pruned, clustered, fake_quantize]
)
def test_layers_by_their_plain_names_and_in_one_pass(change):
    model = change(tiny.model())
    call, shapes = outputs_of(model, NAMES, "student")
    outputs = call(IMAGES, training=False)
    assert list(outputs) == [LOGITS, *NAMES]
    expected = model(IMAGES, training=False)
    np.testing.assert_array_equal(outputs[LOGITS], expected)
    assert shapes["stem_relu"] == (None, 8, 8, 8)
    assert shapes["block_project"] == (None, 4, 4, 8)
    # By arithmetic from the one before: what is wrapped still is in this model.
    normed = model.get_layer("stem_norm")(outputs["stem_conv"], training=False)
    step = 6 / 255 if change is fake_quantize else 0
    np.testing.assert_allclose(
        outputs["stem_relu"], np.clip(normed, 0, 6), atol=step + 1e-6
    )


def test_without_names_it_is_the_model_alone():
    model = tiny.model()
    call, shapes = outputs_of(model, (), "teacher")
    assert shapes == {}
    (logits,) = call(IMAGES, training=False).values()
    np.testing.assert_array_equal(logits, model(IMAGES, training=False))


def test_of_a_layer_that_is_used_twice_the_last_output():
    image = keras.Input((3,))
    double = keras.layers.Rescaling(2.0, name="double")
    model = keras.Model(image, keras.layers.Dense(2)(double(double(image))))
    call, _ = outputs_of(model, ("double",), "student")
    outputs = call(tf.ones((1, 3)), training=False)
    np.testing.assert_array_equal(outputs["double"], [[4, 4, 4]])


def test_layer_of_several_outputs_is_refused():
    image = keras.Input((3, 3))
    states = keras.layers.LSTM(2, return_state=True, name="memory")(image)
    model = keras.Model(image, keras.layers.Dense(2)(states[0]), name="net")
    with pytest.raises(ModelError, match="'memory' of the teacher 'net' returns more"):
        outputs_of(model, ("memory",), "teacher")
