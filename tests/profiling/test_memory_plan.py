from itertools import pairwise

import pytest

from tfcompress.profiling.memory_plan import Buffer, MemoryPlan, Step, plan_memory


def chain(*sizes):
    """Operators one after the other: each reads what the one before wrote."""
    buffers = [Buffer(place, size) for place, size in enumerate(sizes)]
    steps = [
        Step(f"op{place}", [taken], [given])
        for place, (taken, given) in enumerate(pairwise(buffers))
    ]
    return steps, [buffers[0]], [buffers[-1]]


def test_a_chain_holds_two_tensors_at_a_time():
    plan = plan_memory(*chain(160, 320, 640, 16))
    assert plan.live_bytes == (160 + 320, 320 + 640, 640 + 16)
    assert plan.peak_op == 1
    # The largest lies first, its neighbours behind it, each in turn.
    assert plan.peak_bytes == 640 + 320


def test_a_skip_keeps_its_tensor_alive():
    a, b, c, d = (Buffer(name, 100) for name in "abcd")
    steps = [
        Step("first", [a], [b]),
        Step("second", [b], [c]),
        Step("add", [c, b], [d]),
    ]
    plan = plan_memory(steps, [a], [d])
    assert plan.live_bytes == (200, 200, 300)
    # Each begins at a multiple of 16.
    assert plan.peak_bytes == 3 * 112


def test_placement_by_size_can_take_more_than_is_alive_at_once():
    a, b, c, d, e = (Buffer(n, size) for n, size in enumerate((16, 32, 48, 48, 64)))
    steps = [Step("0", [a], [b]), Step("1", [b], [c]), Step("2", [c, b], [d])]
    steps.append(Step("3", [d], [e]))
    plan = plan_memory(steps, [a], [e])
    assert plan.live_bytes == (16 + 32, 32 + 48, 32 + 48 + 48, 48 + 64)
    # e and c, never together, begin at 0; d at 64, behind e; the gap of 16 between c
    # and d is too small for b, which goes behind them.
    assert plan.peak_bytes == 64 + 48 + 32


def test_of_equal_sizes_the_last_is_placed_first():
    plan = plan_memory(*chain(32, 16, 32, 32))
    assert plan.live_bytes == (32 + 16, 16 + 32, 32 + 32)
    # The last begins at 0, the one before it at 32; the first, gone by then, at 0. The
    # second lives with it and with the third, and goes behind both. From the first on,
    # it would have found room at 32, and the peak would be 64.
    assert plan.peak_bytes == 32 + 32 + 16


def test_outputs_live_to_the_end_and_states_all_the_time():
    a, b, c, state = Buffer("a", 16), Buffer("b", 32), Buffer("c", 64), Buffer("s", 128)
    steps = [Step("x", [a], [b]), Step("y", [a], [c])]
    assert plan_memory(steps, [a], [b, c]).live_bytes == (48, 112)
    assert plan_memory(steps, [a], [b, c], [state]).live_bytes == (176, 240)


def test_tensors_of_one_size_take_turns():
    steps, inputs, outputs = chain(*[64] * 20)
    assert plan_memory(steps, inputs, outputs).peak_bytes == 2 * 64


def test_a_model_without_steps_has_no_plan():
    assert plan_memory([], [], []) is None


@pytest.mark.parametrize("plan", [MemoryPlan(10, 1, (3, 4)), MemoryPlan(0, 0, (0,))])
def test_json_round_trip(plan):
    assert MemoryPlan.from_dict(plan.to_dict()) == plan
