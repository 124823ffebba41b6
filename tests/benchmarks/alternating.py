"""Times of several functions, called in alternation, on a machine that others use."""

import random
import time

import numpy as np

AGAIN, MAX_AGAIN = "plain again", 1.05


def low_seconds(functions, rounds, burst):
    """Returns the 25th percentile of the seconds a call, by name.

    Bursts of each alternate in random order: what slows the machine down meets all.
    """

    def seconds(function, times):
        started = time.perf_counter()
        for _ in range(times):
            function()
        return (time.perf_counter() - started) / times

    for function in functions.values():
        seconds(function, 3)
    found = {name: [] for name in functions}
    for _ in range(rounds):
        for name in random.sample(list(functions), len(functions)):
            found[name].append(seconds(functions[name], burst))
    return {name: float(np.percentile(values, 25)) for name, values in found.items()}


def verdict(ratios, limits):
    """Returns the exit code: 1 beyond a limit, 2 where the machine was too busy."""
    again = max(ratios[AGAIN], 1 / ratios[AGAIN])
    if again > MAX_AGAIN:
        print("too busy for a verdict: two equal models differ by more than 5 %")
        return 2
    return int(any(ratios[name] > limit for name, limit in limits.items()))
