import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras
import tiny

import tfcompress as tfc
from tfcompress.chain import Chain, preflight
from tfcompress.errors import ModelError
from tfcompress.loading import save_model
from tfcompress.profiling import profile
from tfcompress.storage import commit
from tfcompress.training.progress import Progress

DATA = tiny.data()
STAGES = (
    tfc.Training(epochs=3, batch_size=16),
    tfc.Pruning(epochs=0),
    tfc.QuantizationAware(epochs=1, batch_size=32),
)
NAMES = ["00_training", "01_pruning", "02_quantization_aware"]


def chain(workdir, stages=STAGES, prefix="", source=None, seed=0):
    source = source or tfc.Architecture("resnet8", {"alpha": 0.5})
    return Chain(prefix, source, stages, tfc.Run(DATA, workdir, seed))


def content(position):
    return b"model %d" % position


def commit_rows(chain, *positions):
    """Commits stages as `complete` does, each made from what the one before left."""
    for position in positions:
        name = chain.names()[position]
        folder = chain.run.for_stage(name).stage_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.keras").write_bytes(content(position))
        source = hashlib.sha256(content(position - 1)).hexdigest() if position else ""
        commit(folder, {"row": {"name": name}, "source": source})


def test_names_are_prefix_position_and_kind(tmp_path):
    assert chain(tmp_path).names() == NAMES
    assert chain(tmp_path, prefix="teacher_").names()[2] == (
        "teacher_02_quantization_aware"
    )


def test_rows_end_at_the_first_gap(tmp_path):
    subject = chain(tmp_path)
    assert subject.rows() == []
    commit_rows(subject, 0, 2)
    assert subject.rows() == [{"name": NAMES[0]}]
    commit_rows(subject, 1)
    assert [row["name"] for row in subject.rows()] == NAMES


def test_rows_leave_out_what_was_made_from_another_model(tmp_path):
    subject = chain(tmp_path)
    commit_rows(subject, 0, 1, 2)
    folder = subject.run.for_stage(NAMES[1]).stage_dir
    (folder / "model.keras").write_bytes(b"made again")
    source = hashlib.sha256(content(0)).hexdigest()
    commit(folder, {"row": {"name": NAMES[1]}, "source": source})
    assert [row["name"] for row in subject.rows()] == NAMES[:2]


def test_plan_has_the_steps_of_what_is_not_committed(tmp_path):
    subject = chain(tmp_path)
    num_train = DATA.summary()["num_train"]
    steps = [3 * -(-num_train // 16), 0, -(-num_train // 32)]
    assert subject.plan() == list(zip(NAMES, steps, strict=True))
    commit_rows(subject, 0)
    assert subject.plan() == [(NAMES[1], 0), (NAMES[2], steps[2])]
    commit_rows(subject, 1, 2)
    assert subject.plan() == []


def first_weights(*args, **options):
    return chain(*args, **options).model_after(0).get_weights()


def are_equal(some, others):
    return all(map(np.array_equal, some, others))


def test_first_model_depends_on_the_seed_and_the_prefix_alone(tmp_path):
    first = first_weights(tmp_path / "a", seed=1)
    keras.utils.set_random_seed(7)
    assert are_equal(first, first_weights(tmp_path / "b", seed=1))
    assert not are_equal(first, first_weights(tmp_path, seed=2))
    assert not are_equal(first, first_weights(tmp_path, seed=1, prefix="teacher_"))


def test_first_model_may_be_a_file_that_has_to_fit_the_data(tmp_path):
    save_model(tiny.model(), tmp_path / "own.keras")
    own = first_weights(tmp_path, source=str(tmp_path / "own.keras"))
    assert are_equal(own, tiny.model().get_weights())
    save_model(tiny.model(num_classes=4), tmp_path / "other.keras")
    with pytest.raises(ModelError, match="classes"):
        first_weights(tmp_path, source=str(tmp_path / "other.keras"))


@pytest.mark.parametrize(
    ("student_layer", "teacher_layer", "message"),
    [
        ("pol", "pool", r"student 'resnet8' has no layer 'pol'.*Did you mean 'pool'"),
        ("pool", "pol", r"teacher 'resnet8' has no layer 'pol'.*Did you mean 'pool'"),
        ("pool", "pool", None),
    ],
)
def test_layers_are_missed_before_anything_is_trained(
    tmp_path, student_layer, teacher_layer, message
):
    loss = tfc.FeatureDistillation(student_layer, teacher_layer)
    objective = tfc.Distillation("big", losses=((loss, 1.0),))
    stages = (tfc.Training(), tfc.Pruning(objective=objective))
    teachers = {"big": chain(tmp_path, (tfc.Training(),), prefix="teacher_big_")}
    if message is None:
        preflight(teachers, chain(tmp_path, stages))
        return
    with pytest.raises(ModelError, match=message):
        preflight(teachers, chain(tmp_path, stages))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        (
            {"value_range": (0.0, 255.0)},
            r"'big' has data of value_range=\(0.0, 255.0\)",
        ),
        ({"class_names": ("2", "1", "0")}, r"Class 0 is '2' in .* 'big', '0' in its"),
        ({"class_names": ("a", "b", "c")}, None),
    ],
)
def test_a_teacher_must_know_the_data_of_its_student(tmp_path, changes, message):
    """Classes of its own data that have names may be those that ours number."""
    big = chain(tmp_path, (tfc.Training(),), prefix="teacher_big_")
    big = replace(big, run=replace(big.run, data=replace(DATA, **changes)))
    taught = chain(tmp_path, (tfc.Training(objective=tfc.Distillation("big")),))
    if message is None:
        preflight({"big": big}, taught)
        return
    with pytest.raises(ModelError, match=message):
        preflight({"big": big}, taught)
    # It may well be where the student starts.
    preflight({"big": big}, chain(tmp_path, (tfc.Training(initial_weights="big"),)))


@pytest.mark.parametrize("pruned", ["", "student", "teacher"])
def test_shapes_are_compared_before_anything_is_trained(tmp_path, pruned):
    """Unless channel pruning may make them others."""
    first = chain(tmp_path).model_after(0)
    names = [layer.name for layer in first.layers if len(layer.output_shape) == 4]
    loss = tfc.FlowDistillation((names[1], names[-1]), (names[1], names[1]))
    objective = tfc.Distillation("big", losses=((loss, 1.0),))
    cut = (tfc.ChannelPruning(target={"macs": 0.5}),)
    stages = (tfc.Training(),) + cut * (pruned == "student")
    stages += (tfc.Training(objective=objective),)
    teacher = (tfc.Training(),) + cut * (pruned == "teacher")
    chains = {"big": chain(tmp_path, teacher, prefix="teacher_big_")}
    if pruned:
        preflight(chains, chain(tmp_path, stages))
        return
    with pytest.raises(ModelError, match="FlowDistillation cannot compare the stud"):
        preflight(chains, chain(tmp_path, stages))


def test_complete_runs_what_is_missing_from_what_was_committed(tmp_path):
    pruning = tfc.Pruning(epochs=0, final_sparsity=0.5)
    stages = (tfc.Training(epochs=0), pruning)
    source = str(tmp_path / "own.keras")
    save_model(tiny.model(), source)
    silent = Progress(mode="silent")
    (row,) = chain(tmp_path, stages[:1], source=source).complete(silent)
    rows = chain(tmp_path, stages, source=source).complete(silent)
    assert rows[0] == row
    assert [each["kind"] for each in rows] == ["Training", "Pruning"]
    subject = chain(tmp_path, stages, source=source)
    assert subject.rows() == rows
    assert are_equal(subject.model_after(1).get_weights(), tiny.model().get_weights())
    # Of 3x3x1x8 + 8x8 + 8x3 weights half are zero; the depthwise 3x3x8 stay.
    pruned = subject.model_after(2)
    assert rows[1]["sparsity"] == pytest.approx(80 / (160 + 72))
    assert np.mean(pruned.get_layer("stem_conv").kernel.numpy() == 0) == 0.5


def test_a_stage_that_removes_channels_is_timed_and_drawn(tmp_path):
    stage = tfc.ChannelPruning(
        target={"macs": 0.5}, epochs=0, round_to=1, min_channels=2
    )
    save_model(tiny.model(), tmp_path / "own.keras")
    subject = chain(tmp_path, (stage,), source=str(tmp_path / "own.keras"))
    (row,) = subject.complete(Progress(mode="silent"))
    times = row["facts"]["float_latency_ms"]
    assert times.keys() == {"before", "after"}
    assert min(times.values()) > 0
    picture = tmp_path / "stages" / "00_channel_pruning" / "channels.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert row["macs"] <= 0.5 * profile(tiny.model()).totals.macs


def test_a_quantized_model_is_compared_with_itself_in_float(tmp_path):
    save_model(tiny.model(), tmp_path / "own.keras")
    stages = (tfc.QuantizationAware(epochs=0),)
    subject = chain(tmp_path, stages, source=str(tmp_path / "own.keras"))
    (row,) = subject.complete(Progress(mode="silent"))
    folder = tmp_path / "stages" / "00_quantization_aware"
    assert (folder / "quantization_errors.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads((folder / "quantization_errors.json").read_text())["rows"]
    worst = row["facts"]["worst_layers"]
    assert len(worst) == min(10, len(rows)) and all(each in rows for each in worst)
    assert worst[0]["own_sqnr_db"] == min(r["own_sqnr_db"] or 1e9 for r in rows)
