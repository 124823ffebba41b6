import os
import resource

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tfcompress.errors import WorkdirError
from tfcompress.training.checkpoints import Checkpoints, writing_to
from tfcompress.training.history import History


def make(folder, keep_best=False):
    """A model of one weight matrix, its optimizer and their checkpoints."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")])
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    return model, optimizer, Checkpoints(folder, model, optimizer, keep_best)


def fill(model, value):
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])


def saved(folder, losses, **options):
    """Saves one epoch a validation loss, with all weights equal to its number."""
    model, optimizer, checkpoints = make(folder, **options)
    for epoch in range(1, len(losses) + 1):
        fill(model, epoch)
        optimizer.iterations.assign(10 * epoch)
        checkpoints.save(history(losses[:epoch]))
    return model, checkpoints


def history(losses):
    return History(tuple({"val_loss": loss} for loss in losses))


def assert_filled(model, value):
    for weight in model.get_weights():
        np.testing.assert_array_equal(weight, np.full_like(weight, value))


def test_restores_model_optimizer_and_history(tmp_path):
    saved(tmp_path, [0.1, 0.7, 1 / 3])
    model, optimizer, checkpoints = make(tmp_path)
    assert checkpoints.restore() == history([0.1, 0.7, 1 / 3])
    assert_filled(model, 3)
    assert int(optimizer.iterations) == 30


def test_nothing_to_restore(tmp_path):
    model, _, checkpoints = make(tmp_path / "new")
    fill(model, 5)
    assert checkpoints.restore() == History()
    assert_filled(model, 5)
    assert not (tmp_path / "new").exists()


def test_keeps_two(tmp_path):
    saved(tmp_path, [0.5, 0.4, 0.3])
    assert {path.stem for path in tmp_path.glob("*.index")} == {"ckpt-2", "ckpt-3"}


def test_best_weights_survive_a_restore(tmp_path):
    saved(tmp_path, [0.5, 0.2, 0.3], keep_best=True)
    model, _, checkpoints = make(tmp_path, keep_best=True)
    checkpoints.restore()
    checkpoints.restore_best()
    assert_filled(model, 2)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, lambda path: os.truncate(path, 0)])
@pytest.mark.parametrize("kind", ["data-00000-of-00001", "index"])
def test_damaged_newest_falls_back_to_the_one_before(tmp_path, damage, kind):
    saved(tmp_path, [0.5, 0.4, 0.3])
    damage(tmp_path / f"ckpt-3.{kind}")
    model, _, checkpoints = make(tmp_path)
    assert checkpoints.restore() == history([0.5, 0.4])
    assert_filled(model, 2)
    # The epoch that was lost is made again and takes the place of the damaged one.
    fill(model, 7)
    checkpoints.save(history([0.5, 0.4, 0.2]))
    again, _, checkpoints = make(tmp_path)
    assert checkpoints.restore() == history([0.5, 0.4, 0.2])
    assert_filled(again, 7)


def test_missing_data_file_and_damaged_list_are_passed_over(tmp_path):
    saved(tmp_path, [0.5, 0.4])
    (tmp_path / "ckpt-2.data-00000-of-00001").unlink()
    (tmp_path / "checkpoint").write_text("model_checkpoint_pa")
    model, _, checkpoints = make(tmp_path)
    assert checkpoints.restore() == history([0.5])
    assert_filled(model, 1)


def test_all_damaged_leaves_the_model_alone(tmp_path):
    saved(tmp_path, [0.5, 0.4])
    for path in tmp_path.glob("*.data*"):
        cut(path)
    model, _, checkpoints = make(tmp_path)
    fill(model, 9)
    assert checkpoints.restore() == History()
    assert_filled(model, 9)


def test_full_disk_keeps_the_one_before(tmp_path):
    model, checkpoints = saved(tmp_path, [0.5])
    fill(model, 2)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # Files that cannot grow over 100 bytes stand in for a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
        with pytest.raises(WorkdirError, match="File too large; raise") as error:
            checkpoints.save(history([0.5, 0.4]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "\n" not in str(error.value)
    again, _, checkpoints = make(tmp_path)
    assert checkpoints.restore() == history([0.5])
    assert_filled(again, 1)


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "stages").write_text("a file where a folder should be")
    with pytest.raises(WorkdirError, match="stages/a") as error:
        saved(tmp_path / "stages" / "a", [0.5])
    assert "\n" not in str(error.value)
    assert "function_node" not in str(error.value)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "{{function_node __wrapped__SaveV2_dtypes_15_device_/job:localhost}} "
            "/disk/ckpt-1; No space left on device [Op:SaveV2]",
            "the disk is full; free some space",
        ),
        ("/disk/ckpt-1; Read-only file system", "Read-only file system; choose"),
        ("/disk is not a directory", "/disk is not a directory; "),
    ],
)
def test_failed_write_says_what_the_system_said(tmp_path, message, said):
    with pytest.raises(WorkdirError) as error, writing_to(tmp_path):
        raise tf.errors.ResourceExhaustedError(None, None, message)
    assert str(error.value).startswith(f"cannot write {tmp_path}: {said}")


def test_seconds_are_restored(tmp_path):
    _, _, checkpoints = make(tmp_path)
    checkpoints.save(History(({"val_loss": 0.5}, {"val_loss": 0.4}), (1.5, 0.1)))
    _, _, again = make(tmp_path)
    assert again.restore().epoch_seconds == (1.5, 0.1)


def test_remove(tmp_path):
    _, checkpoints = saved(tmp_path / "a", [0.5])
    checkpoints.remove()
    assert not (tmp_path / "a").exists()
