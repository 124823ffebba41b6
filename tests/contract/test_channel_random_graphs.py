"""Whatever graph is drawn, removing channels does what zeros in their place do."""

from collections import Counter

import hypothesis
import numpy as np
import pytest
from contract.random_graphs import SIDE, draw_model
from hypothesis import strategies as st
from masking import masked, outputs, relative_error, removed

import tfcompress as tfc
from tfcompress.channels.cost import measure_cost
from tfcompress.channels.dependency import KINDS, find_dependencies
from tfcompress.channels.families import Limits, find_families, find_units
from tfcompress.rewriting.graph import Graph


def choose(draw, dependencies, cost):
    """Returns which groups to keep, as random as the rules let it be."""
    groups = dependencies.groups
    limits = Limits(1, draw(st.integers(1, 2)), draw(st.sampled_from((0.5, 0.9))))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    scores = random.random(len(groups))
    units = find_units(find_families(groups, cost), groups, scores, limits)
    units.sort(key=lambda unit: unit.score)
    keep = np.ones(len(groups), bool)
    share = draw(st.sampled_from((1.0, 1.0, 0.6, 0.3)))
    for unit in units[: int(np.ceil(share * len(units)))]:
        keep[unit.groups] = False
    return keep


class Record:
    """What was seen in all examples together."""

    def __init__(self):
        self.cut_layers = Counter()
        self.vary, self.differ = [], []

    def check(self, draw):
        model = draw_model(draw)
        graph = Graph.from_model(model)
        dependencies = find_dependencies(graph)
        cost = measure_cost(graph, dependencies)
        keep = choose(draw, dependencies, cost)
        random = np.random.default_rng(0)
        images = [
            random.random((4, SIDE, SIDE, 3), np.float32) * 2 for _ in model.inputs
        ]
        expected = masked(graph, dependencies, keep, images)
        smaller = removed(model, keep)
        assert relative_error(outputs(smaller, images), expected) <= 1e-4
        for net, kept in ((model, np.ones_like(keep)), (smaller, keep)):
            totals = tfc.profile(net).totals
            assert (totals.macs, totals.params) == (cost.macs(kept), cost.params(kept))
        whole = outputs(model, images)
        self.vary.append(min(np.ptp(value, axis=0).max() for value in expected) > 1e-3)
        self.differ.append(relative_error(whole, expected) > 1e-3)
        for node in graph.nodes:
            if not keep[dependencies.of(node.output)].all():
                self.cut_layers[type(node.layer)] += 1


def check_examples(number):
    record = Record()
    hypothesis.settings(
        max_examples=number,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )(hypothesis.given(st.data())(lambda data: record.check(data.draw)))()
    assert np.mean(record.vary) > 0.9, record.vary
    assert np.mean(record.differ) > 0.7, record.differ
    return record


def test_pruned_graphs_equal_masked_ones():
    record = check_examples(20)
    assert len(record.cut_layers) >= 20, record.cut_layers


@pytest.mark.slow
def test_many_pruned_graphs_equal_masked_ones():
    record = check_examples(120)
    assert len(record.cut_layers) >= 25, record.cut_layers
    assert set(record.cut_layers) <= set(KINDS)
