import numpy as np
import pytest
import tf_keras as keras

from tfcompress.layers.attention_heads import AttentionHeads
from tfcompress.rewriting.attention import split_attention, split_heads
from tfcompress.rewriting.graph import Graph

layers = keras.layers


def built(layer, *shapes):
    """Returns a model of what a layer makes of a list of sequences."""
    given = [keras.Input(shape) for shape in shapes]
    return keras.Model(given, layer(given))


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"value_dim": 5, "dropout": 0.5},
        {"use_bias": False, "output_shape": 7},
    ],
)
@pytest.mark.parametrize("shapes", [[(4, 6)] * 2, [(4, 6), (9, 2), (9, 3)]])
def test_heads_become_plain_layers(rewritten, settings, shapes):
    heads = AttentionHeads(2, 3, **settings, name="heads")
    model, changes = rewritten(built(heads, *shapes), split_heads)
    assert [change.layer for change in changes] == ["heads"]
    assert kinds(model).count("Dense") == 4 and kinds(model).count("MatrixProduct") == 2
    assert kinds(model).count("Dropout") == bool(settings.get("dropout"))
    names = {layer.name for layer in model.layers if isinstance(layer, layers.Dense)}
    assert names == {"heads_query", "heads_key", "heads_value", "heads"}
    assert model.get_layer("heads").units == settings.get("output_shape", 6)


def test_heads_that_are_shared_stay_so(rewritten):
    heads = AttentionHeads(2, 3, name="heads")
    tokens = keras.Input((4, 6))
    once = heads([tokens, tokens])
    model, changes = rewritten(keras.Model(tokens, heads([once, tokens])), split_heads)
    assert len(changes) == 1 and kinds(model).count("Dense") == 4
    assert len(model.get_layer("heads").inbound_nodes) == 2


def test_what_trains_a_projection_stays():
    model = built(AttentionHeads(2, 3, kernel_regularizer="l2"), (4, 6), (4, 6))
    model.trainable = False
    graph = Graph.from_model(model)
    split_heads(graph)
    dense = [node.layer for node in graph.nodes if isinstance(node.layer, layers.Dense)]
    assert all(layer.kernel_regularizer and not layer.trainable for layer in dense)


@pytest.mark.parametrize("use_scale", [True, False])
@pytest.mark.parametrize("shapes", [[(4, 6), (9, 6)], [(4, 6), (9, 2), (9, 6)]])
def test_attention_becomes_plain_layers(rewritten, use_scale, shapes):
    attention = layers.Attention(use_scale=use_scale, name="attention")
    model, changes = rewritten(built(attention, *shapes), split_attention)
    assert kinds(model).count("MatrixProduct") == 2 and "Softmax" in kinds(model)
    assert kinds(model).count("Rescaling") == use_scale
    assert model.layers[-1].name == "attention" and len(changes) == 1


def test_attention_of_another_score_stays(rewritten):
    attention = layers.Attention(score_mode="concat")
    assert rewritten(built(attention, (4, 6), (9, 6)), split_attention)[1] == []


def test_dropout_in_attention_is_off_where_that_was_asked(randomize):
    tokens = keras.Input((4, 6))
    layer = layers.Attention(dropout=0.5)
    model = keras.Model(tokens, layer([tokens, tokens], training=False))
    graph = Graph.from_model(model)
    split_attention(graph)
    x = np.random.default_rng(0).normal(size=(2, 4, 6)).astype("float32")
    result = graph.to_model()(x, training=True)
    np.testing.assert_allclose(result, model(x), atol=1e-6)
