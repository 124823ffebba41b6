"""Multiply-accumulates and other operations of one call of an attention layer."""

from __future__ import annotations

from tfcompress.profiling.keras_calls import Call, size

_SOFTMAX = 5  # highest, difference, exponential, sum and quotient of an element


def heads_macs(call: Call) -> int:
    """Returns the multiply-accumulates of a call of MultiHeadAttention.

    Projections of queries, keys and values, both products, and the projection out.

    Keys are as long as values; they are the queries where none are given.
    """
    layer, query = call.layer, call.inputs[0]
    config = layer.get_config()
    heads, key_dim = config["num_heads"], config["key_dim"]
    value_dim = config["value_dim"] or key_dim
    value = call.inputs[1] if len(call.inputs) > 1 else query
    key = call.inputs[2] if len(call.inputs) > 2 else value
    num_queries, num_values = size(query[:-1]), size(value[1:-1])
    projections = (
        size(query) * heads * key_dim
        + size(key) * heads * key_dim
        + size(value) * heads * value_dim
        + num_queries * heads * value_dim * (call.outputs[0][-1] or 1)
    )
    return projections + heads * num_queries * num_values * (key_dim + value_dim)


def heads_other_flops(call: Call) -> int:
    """Returns the operations beside MACs: scaled queries, softmax and four biases."""
    query, config = call.inputs[0], call.layer.get_config()
    value = call.inputs[1] if len(call.inputs) > 1 else query
    heads, key_dim = config["num_heads"], config["key_dim"]
    value_dim = config["value_dim"] or key_dim
    queries, values = size(query[:-1]), size(value[:-1])
    biases = heads * (queries * key_dim + values * (key_dim + value_dim))
    biases += size(call.outputs[0])
    scores = heads * queries * size(value[1:-1])
    scaled = heads * queries * key_dim
    return scaled + _SOFTMAX * scores + biases * config["use_bias"]


def _num_scores(call: Call) -> int:
    """Pairs of a query and a value, of all examples."""
    query, value = call.inputs[:2]
    return size(query[:-1]) * (value[-2] or 1)


def attention_macs(call: Call) -> int:
    """Returns the multiply-accumulates of a call of Attention or AdditiveAttention.

    Scores of queries and keys, which are as long as each other, times the values.

    A score by `concat`, or by AdditiveAttention, is a sum of tanh: its numbers are
    multiplied only where they have scales, which are then weights of the sum.
    """
    is_sum = "AdditiveAttention" in call.kinds or _is_by_concat(call)
    is_weighted = "AdditiveAttention" in call.kinds and call.layer.use_scale
    query_dim = call.inputs[0][-1] or 1
    a_score = query_dim if is_weighted or not is_sum else 0
    return _num_scores(call) * (a_score + (call.inputs[1][-1] or 1))


def _is_by_concat(call: Call) -> bool:
    return getattr(call.layer, "score_mode", "dot") == "concat"


def attention_other_flops(call: Call) -> int:
    """Returns the operations beside MACs: softmax, scales, sums and tanh of scores."""
    layer, query_dim = call.layer, call.inputs[0][-1] or 1
    use_scale = bool(layer.use_scale)
    if "AdditiveAttention" in call.kinds:
        # Scales are in the MACs; without them tanh alone are added up.
        a_score = 2 * query_dim + (0 if use_scale else query_dim - 1)
    elif _is_by_concat(call):
        # Sum, scale and tanh; all added up, and one weight.
        a_score = (2 + use_scale) * query_dim + query_dim - 1 + 1
    else:
        a_score = int(use_scale)
    return _num_scores(call) * (a_score + _SOFTMAX)
