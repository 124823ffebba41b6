import numpy as np
import tiny

import tfcompress as tfc


def test_training_learns_and_returns_another_model(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    model = tiny.model()
    trained = tfc.Training(epochs=15, batch_size=12, learning_rate=1e-2)(model, run)
    assert trained is not model
    before = tfc.evaluate(model, run.data).top1
    after = tfc.evaluate(trained, run.data).top1
    assert after > 0.8 > before + 0.2


def test_no_epochs_returns_an_equal_copy(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    model = tiny.model()
    copy = tfc.Training(epochs=0)(model, run)
    assert copy is not model
    for kept, copied in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, copied)


def test_stages_outside_a_recipe_keep_their_curves_apart(tmp_path):
    run = tfc.Run(data=tiny.data(), workdir=tmp_path)
    model = tfc.Training(epochs=1, batch_size=36)(tiny.model(), run)
    tfc.Pruning(epochs=1, batch_size=36)(model, run)
    folders = {path.name for path in (tmp_path / "tensorboard").iterdir()}
    assert folders == {"Training", "Pruning"}
    assert set(run.facts) == {"target_sparsity", "layers", "skipped"}
