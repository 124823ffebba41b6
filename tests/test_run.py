from pathlib import Path

import pytest
import tiny

import tfcompress as tfc
from tfcompress.errors import InvalidArgumentError
from tfcompress.run import Run, derive_seed


def test_derive_seed_depends_on_every_part_and_fits_31_bits():
    seeds = {
        derive_seed(seed, stage, epoch)
        for seed in range(3)
        for stage in ("a", "b")
        for epoch in range(5)
    }
    assert len(seeds) == 30
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(1, "a") == derive_seed(1, "a")


def test_for_stage_starts_with_no_facts_and_leaves_the_run():
    run = Run(data=tiny.data(), workdir="w", seed=3)
    run.note(a=1)
    staged = run.for_stage("01_pruning")
    staged.note(b=2)
    assert (run.facts, staged.facts) == ({"a": 1}, {"b": 2})
    assert staged.stage_dir == Path("w/stages/01_pruning")
    assert staged.tensorboard_dir == Path("w/tensorboard/01_pruning")
    assert run.tensorboard_dir == Path("w/tensorboard/interactive")
    assert staged.stage_seed == derive_seed(3, "01_pruning")


@pytest.mark.parametrize("data", ["fashion_mnist", None, tfc.Data("fashion_mnist")])
def test_data_that_is_not_loaded_is_refused(data):
    with pytest.raises(InvalidArgumentError, match=r"Run data=.* tfc\.data\.load"):
        Run(data=data)


def test_progress_that_is_none_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"progress=True .* tfc\.Progress"):
        Run(data=tiny.data(), progress=True)
