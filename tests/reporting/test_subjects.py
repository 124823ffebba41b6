import pytest
import tf_keras as keras
import tiny
from run_folder import make_run
from small_file import relu_file

from tfcompress.errors import ModelError
from tfcompress.profiling import profile
from tfcompress.reporting.finished_run import FinishedRun
from tfcompress.reporting.subjects import check_path, open_subject


def test_a_run_folder(tmp_path):
    folder = make_run(tmp_path / "a")
    subject = open_subject(folder, None, ())
    assert [row.kind for row in subject.rows] == ["artifact", "baseline"]
    assert subject.run.folder == folder
    assert subject.profile is None
    assert set(subject.files) == {row.name for row in subject.rows}


def test_a_run_that_is_read_already_keeps_its_name(tmp_path):
    run = FinishedRun.open(make_run(tmp_path / "a"))
    assert open_subject(run, None, ()).run == run


def test_a_file(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(relu_file())
    subject = open_subject(str(path), None, ())
    (row,) = subject.rows
    assert (row.name, row.kind) == (str(path), "tflite")
    assert row.figures["size_bytes"] == path.stat().st_size
    assert row.figures["top1"] is None
    assert subject.files == {str(path): path}


def test_live_models_and_profiles_have_the_same_figures():
    model = tiny.model()
    live, again = (open_subject(each, None, ()) for each in (model, profile(model)))
    assert live.rows == again.rows
    assert live.rows[0].figures["params"] == model.count_params()
    assert live.files == {}


def test_accuracy_is_measured_where_there_is_data():
    model, data = tiny.model(), tiny.data()
    (row,) = open_subject(model, data, ()).rows
    images = data.test.images / 255
    right = model.predict(images, verbose=0).argmax(1) == data.test.labels
    assert row.figures["top1"] == pytest.approx(right.mean())


def test_names_that_are_taken_get_a_number():
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(2,))], name="m")
    names = []
    for _ in range(3):
        (row,) = open_subject(model, None, names).rows
        names.append(row.name)
    assert names == ["m", "m (2)", "m (3)"]


def test_what_is_no_model_is_told(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        open_subject(tmp_path / "nothing.tflite", None, ())


def test_only_paths_of_what_can_be_compared_pass(tmp_path):
    check_path(make_run(tmp_path / "a"))
    check_path(None)
    with pytest.raises(ModelError, match="is a folder, but of no run"):
        check_path(tmp_path)
    with pytest.raises(ModelError, match=r"b does not exist; expected the folder"):
        check_path(str(tmp_path / "b"))
    with pytest.raises(ModelError, match=r"^'' does not exist"):
        check_path("")
