import pytest
from both_generations import both_keras, layer_counts


@both_keras
def test_attention_is_projections_and_two_products(keras):
    layer = keras.layers.MultiHeadAttention(2, 3, value_dim=5)
    macs, flops = layer_counts(keras, layer, (7, 4), (9, 4))
    projections = 7 * 4 * 6 + 9 * 4 * 6 + 9 * 4 * 10 + 7 * 10 * 4
    assert macs == projections + 2 * 7 * 9 * (3 + 5)
    # Queries times a scale, softmax of 7x9 scores, and biases; two heads of each.
    biases = 7 * 6 + 9 * 6 + 9 * 10 + 7 * 4
    assert flops == 2 * macs + 7 * 6 + 5 * 2 * 7 * 9 + biases
    layer = keras.layers.MultiHeadAttention(2, 3, value_dim=5, use_bias=False)
    assert layer_counts(keras, layer, (7, 4), (9, 4)) == (macs, flops - biases)


@both_keras
@pytest.mark.parametrize(
    ("layer", "options", "a_score", "others"),
    [
        # Seven queries and nine keys of four; a sum of tanh is not multiplied. Others
        # of a score: a scale; sums and tanh of four, added up by three, and a weight.
        ("Attention", {}, 4, 0),
        ("Attention", {"use_scale": True}, 4, 1),
        ("Attention", {"score_mode": "concat"}, 0, 4 + 4 + 3 + 1),
        ("Attention", {"score_mode": "concat", "use_scale": True}, 0, 12 + 3 + 1),
        ("AdditiveAttention", {}, 4, 4 + 4),
        ("AdditiveAttention", {"use_scale": False}, 0, 4 + 4 + 3),
    ],
)
def test_scores_and_the_values_that_they_weigh(keras, layer, options, a_score, others):
    # Scales of tf_keras' AdditiveAttention are as long as values: they must be 4 too.
    value_dim = 5 if layer == "Attention" else 4
    layer = layer_of_list(getattr(keras.layers, layer)(**options))
    macs, flops = layer_counts(keras, layer, (7, 4), (9, value_dim), (9, 4))
    assert macs == 7 * 9 * (a_score + value_dim)
    # A softmax takes five.
    assert flops == 2 * macs + 7 * 9 * (others + 5)


def layer_of_list(layer):
    return lambda *inputs: layer(list(inputs))
