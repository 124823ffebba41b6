import resource

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.errors import WorkdirError
from tfcompress.training.distillation.teacher_cache import FOLDER, cached_logits

SHIFTED = {"augmentation": tfc.Augmentation(shift=2, brightness=0.2)}


def make_run(workdir, **options):
    return tfc.Run(data=tiny.data(**options), workdir=workdir, seed=3)


def files(run):
    return sorted(run.workdir.glob(f"{FOLDER}/*/*"))


def test_student_sees_the_images_that_the_logits_are_of(tmp_path):
    run, teacher = make_run(tmp_path, **SHIFTED), tiny.model()
    views = cached_logits(teacher, run, 3)
    steps = run.data.steps_per_epoch(16)
    batches = run.data.train_batches(16, seed=5, views=views).take(4 * steps)
    shown = []
    for (images, logits), labels in batches:
        assert logits.dtype == "float16"
        assert len(images) == len(logits) == len(labels)
        # float16 has 11 bits: half of the last is at most 1 / 2048 of the value.
        np.testing.assert_allclose(logits, teacher(images), rtol=1e-3, atol=1e-4)
        shown.append(images.numpy())

    def epoch(number):
        pixels = np.concatenate(shown[number * steps : (number + 1) * steps])
        return sorted(image.tobytes() for image in pixels)

    assert epoch(0) == epoch(3)
    assert epoch(0) != epoch(1)


def test_what_is_there_is_read_and_what_is_damaged_made_anew(tmp_path):
    run, teacher = make_run(tmp_path, **SHIFTED), tiny.model()
    before = [values.copy() for values in cached_logits(teacher, run, 2).values]
    times = [path.stat().st_mtime_ns for path in files(run)]
    views = cached_logits(teacher, run, 3)
    assert all(isinstance(values, np.memmap) for values in views.values)
    assert [path.stat().st_mtime_ns for path in files(run)][:2] == times
    assert [path.name for path in files(run)] == [f"view_0{v}.npy" for v in range(3)]

    # 65 images of 3 classes, 2 bytes each, behind a header of 128.
    assert files(run)[1].stat().st_size == len(run.data.train) * 3 * 2 + 128
    good = files(run)[1].read_bytes()
    turned = good.replace(b"'fortran_order': False", b"'fortran_order':  True")
    for damaged in (good[:-7], b"", b"PK\3\4", good.replace(b"}", b"("), turned):
        files(run)[1].write_bytes(damaged)
        mended = cached_logits(teacher, run, 2).values
        np.testing.assert_array_equal(mended, before)


def test_logits_that_cannot_be_written_leave_nothing(tmp_path):
    run = make_run(tmp_path)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limit[1]))
    try:
        with pytest.raises(WorkdirError, match=r"view_00.npy: File too .*ulimit"):
            cached_logits(tiny.model(), run, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert files(run) == []


def other_weights():
    teacher = tiny.model()
    teacher.set_weights([1.5 * weight for weight in teacher.get_weights()])
    return teacher


def other_activation():
    teacher = tiny.model()
    return keras.Model(teacher.inputs, keras.layers.ReLU()(teacher.outputs[0]))


def test_logits_of_a_teacher_that_differs_on_later_images_alone_are_not_used(tmp_path):
    """The images by which a teacher is known are the first 32."""
    images = np.repeat(np.array([0, 255], np.uint8), 100)[:, None, None, None]
    labels = np.tile([0, 1], 100)
    arrays = np.broadcast_to(images, (200, 2, 2, 1)), labels
    data = tfc.data.from_arrays(arrays, arrays, arrays)
    run = tfc.Run(data=data, workdir=tmp_path)
    for bound in (6.0, 3.0):
        layers = keras.layers
        image = keras.Input((2, 2, 1))
        # Sums of four ones are 4, in both channels.
        x = layers.Conv2D(2, 2, kernel_initializer="ones")(image)
        x = layers.Flatten()(layers.ReLU(bound)(x))
        views = cached_logits(keras.Model(image, x), run, 1)
        assert views.values[0][0].tolist() == [0, 0]
        assert views.values[0][199].tolist() == [min(4, bound)] * 2


@pytest.mark.parametrize(
    ("teacher", "options"),
    [
        (other_weights, SHIFTED),
        (other_activation, SHIFTED),
        (tiny.model, {"augmentation": tfc.Augmentation(shift=1)}),
        (tiny.model, SHIFTED | {"validation_fraction": 0.2}),
    ],
)
def test_stale_logits_are_not_used(tmp_path, teacher, options):
    stale = cached_logits(tiny.model(), make_run(tmp_path, **SHIFTED), 1)
    run = make_run(tmp_path, **options)
    model = teacher()
    views = cached_logits(model, run, 1)
    images, _ = next(iter(run.data.view_batches(views.seed, 0)))
    np.testing.assert_allclose(views.values[0], model(images), rtol=1e-3, atol=1e-4)
    assert len({path.parent for path in files(run)}) == 2
    assert not np.array_equal(views.values[0], stale.values[0])


def test_logits_of_another_way_to_augment_are_not_used(tmp_path, monkeypatch):
    run = make_run(tmp_path, **SHIFTED)
    stale = cached_logits(tiny.model(), run, 1).values[0]
    augment = tfc.Augmentation.__call__
    # As if a later version of tfcompress did something else by the same settings.
    monkeypatch.setattr(
        tfc.Augmentation, "__call__", lambda *call: 1.0 - augment(*call)
    )
    assert not np.array_equal(cached_logits(tiny.model(), run, 1).values[0], stale)


def test_one_view_is_enough_without_augmentation(tmp_path):
    run = make_run(tmp_path)
    assert len(cached_logits(tiny.model(), run, 8).values) == 1


def test_logits_too_large_for_float16_stay_finite(tmp_path):
    teacher = tiny.model()
    teacher.get_layer("logits").set_weights(
        [np.zeros((8, 3)), np.array([1e9, -1e9, 1.0])]
    )
    logits = cached_logits(teacher, make_run(tmp_path), 1).values[0]
    np.testing.assert_array_equal(logits[0], [65504, -65504, 1])


def test_stages_of_a_run_share_the_teachers_answers(tmp_path):
    count = tf.Variable(0)  # No weight of the teacher: it would change its digest.

    class CountImages(keras.layers.Layer):
        def call(self, inputs):
            count.assign_add(tf.shape(inputs)[0])
            return inputs

    plain = tiny.model()
    teacher = keras.Model(plain.inputs, CountImages()(plain.outputs[0]))
    run = make_run(tmp_path, **SHIFTED)
    count.assign(0)
    objective = tfc.Distillation(teacher, cache=2)
    model = tfc.Training(epochs=3, objective=objective)(tiny.model(seed=1), run)
    # Two views, and the images by which the teacher is known.
    probes = count.numpy() - 2 * len(run.data.train)
    assert 0 < probes <= 32
    tfc.Pruning(epochs=2, objective=objective)(model, run)
    assert count.numpy() == 2 * len(run.data.train) + 2 * probes
