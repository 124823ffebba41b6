from pathlib import Path

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
    run = Run(data=None, workdir="w", seed=3)
    run.note(a=1)
    staged = run.for_stage("01_pruning")
    staged.note(b=2)
    assert (run.facts, staged.facts) == ({"a": 1}, {"b": 2})
    assert staged.stage_dir == Path("w/stages/01_pruning")
    assert staged.tensorboard_dir == Path("w/tensorboard/01_pruning")
    assert run.tensorboard_dir == Path("w/tensorboard/interactive")
    assert staged.stage_seed == derive_seed(3, "01_pruning")
