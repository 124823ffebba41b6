import pytest
import tf_keras
from both_generations import both_keras, layer_counts

from tfcompress.profiling.keras_layers import is_counted
from tfcompress.profiling.keras_model import profile_keras_model


@both_keras
@pytest.mark.parametrize(
    ("layer", "options", "shape", "macs", "others"),
    [
        # A bias and a comparison for each of 6x4x10 outputs.
        ("Conv2D", {"filters": 10, "kernel_size": 3, "activation": "relu"},
         (8, 6, 4), 24 * 360, 2 * 240),
        ("Dense", {"units": 7, "use_bias": False}, (4,), 28, 0),
        ("BatchNormalization", {}, (8, 6, 4), 0, 2 * 192),
        ("ReLU", {}, (8, 6, 4), 0, 192),
        ("ReLU", {"max_value": 6.0}, (8, 6, 4), 0, 2 * 192),
        ("Activation", {"activation": "sigmoid"}, (8, 6, 4), 0, 4 * 192),
        ("MaxPooling2D", {"pool_size": 2}, (8, 6, 4), 0, 48 * 3),
        ("AveragePooling2D", {"pool_size": (2, 3)}, (8, 6, 4), 0, 32 * 6),
        ("GlobalAveragePooling2D", {}, (8, 6, 4), 0, 192),
        ("GlobalMaxPooling2D", {}, (8, 6, 4), 0, 192 - 4),
        ("UpSampling2D", {"interpolation": "bilinear"}, (8, 6, 4), 0, 7 * 4 * 192),
        ("Flatten", {}, (8, 6, 4), 0, 0),
        ("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (None, 2, 3)},
         (5, 4), 5 * 4 * 2 * 3, 0),
        ("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 3},
         (5, 6, 4), 30 * 4 * 3, 0),
        # Nine steps of four gates over four inputs and six states. Of a unit: four
        # biases, three sigmoid of 4, two tanh, and f * c + i * g and o * tanh(c).
        ("LSTM", {"units": 6}, (9, 4), 9 * 4 * (24 + 36), 54 * (4 + 12 + 2 + 4)),
        ("LSTM", {"units": 6, "use_bias": False, "return_sequences": True},
         (9, 4), 9 * 4 * (24 + 36), 54 * (12 + 2 + 4)),
        ("SimpleRNN", {"units": 6}, (9, 4), 9 * (24 + 36), 54 * (1 + 1)),
        # Two biases of three gates, two sigmoid, tanh, r * (U h) that is added, and
        # z * h + (1 - z) * g.
        ("GRU", {"units": 6}, (9, 4), 9 * 3 * (24 + 36), 54 * (6 + 8 + 1 + 2 + 4)),
        ("GRU", {"units": 6, "reset_after": False},
         (9, 4), 9 * 3 * (24 + 36), 54 * (3 + 8 + 1 + 1 + 4)),
        # Nine steps, 6x5 places of 3x2 weights from four and five channels to 4x5.
        ("ConvLSTM2D", {"filters": 5, "kernel_size": (3, 2), "activation": "relu",
                        "recurrent_activation": "sigmoid"},
         (9, 8, 6, 4), 9 * 30 * 6 * (4 + 5) * 20, 9 * 30 * 5 * (4 + 12 + 2 + 4)),
        ("ConvLSTM1D", {"filters": 5, "kernel_size": 3, "return_sequences": True,
                        "recurrent_activation": "sigmoid", "use_bias": False},
         (9, 8, 4), 9 * 6 * 3 * (4 + 5) * 20, 9 * 6 * 5 * (12 + 2 + 4)),
    ],
)  # fmt: skip
def test_macs_and_operations_by_arithmetic(keras, layer, options, shape, macs, others):
    found_macs, flops = layer_counts(
        keras, getattr(keras.layers, layer)(**options), shape
    )
    assert found_macs == macs
    if others is not None:
        assert flops == 2 * macs + others


@both_keras
@pytest.mark.parametrize(
    ("layer", "others"), [("Add", 2 * 12), ("Multiply", 2 * 12), ("Average", 3 * 12)]
)
def test_merges_of_three(keras, layer, others):
    inputs = [keras.Input((12,)) for _ in range(3)]
    model = keras.Model(inputs, getattr(keras.layers, layer)()(inputs))
    assert profile_keras_model(model).layers[-1].flops == others


@both_keras
@pytest.mark.parametrize(
    ("axes", "shapes", "macs"),
    [
        # One sum of 4 products; 5x6 sums of 4.
        (1, [(4,), (4,)], 4),
        ((2, 1), [(5, 4), (4, 6)], 5 * 6 * 4),
        (-1, [(5, 4), (6, 4)], 5 * 6 * 4),
    ],
)
def test_dot_is_a_matrix_product(keras, axes, shapes, macs):
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, keras.layers.Dot(axes)(inputs))
    assert profile_keras_model(model).totals.macs == macs


@both_keras
def test_what_may_multiply_is_told_and_what_cannot_is_not(keras):
    layers = keras.layers
    known = [
        *(layers.Dropout(0.5), layers.ZeroPadding2D(), layers.Cropping2D()),
        *(layers.MaxPooling2D(2), layers.PReLU(), layers.GroupNormalization(2)),
        *(layers.SpatialDropout2D(0.5), layers.Flatten(), layers.UnitNormalization()),
    ]
    model = keras.Sequential(
        [
            keras.Input((8, 6, 4)),
            *known,
            layers.Lambda(lambda x: x @ x[0, :, None], (1,), name="mine"),
        ]
    )
    (note,) = profile_keras_model(model).notes
    assert "'mine' (Lambda) is counted as 0 multiply-accumulates" in note


class Odd(tf_keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight("kernel", (shape[-1], 2))

    def call(self, inputs):
        return inputs @ self.kernel


def test_a_kernel_of_a_layer_that_is_not_known_is_told():
    model = tf_keras.Sequential([tf_keras.Input((4,)), Odd(name="odd")])
    (note,) = profile_keras_model(model).notes
    assert "'odd' (Odd) is counted as 0" in note
    assert not is_counted(model.layers[-1])
    assert is_counted(tf_keras.layers.Dense(1))
