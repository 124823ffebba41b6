import pytest
import tiny
from absl import flags
from run_folder import make_run

from tfcompress.cli.model_files import MODEL_FLAGS, call_on_model, define_model_flags
from tfcompress.errors import ModelError
from tfcompress.loading.build import DEFAULT_MAX_BYTES


@pytest.fixture
def values():
    values = flags.FlagValues()
    define_model_flags(values)
    return values


def parsed(values, *words):
    values(["program", *words])
    return values


def test_the_flags_are_safe_and_generous_unless_set(values):
    assert set(MODEL_FLAGS) == set(values)
    parsed(values)
    assert values.allow_unsafe is False
    assert values.max_model_bytes == DEFAULT_MAX_BYTES


@pytest.mark.slow
def test_a_model_that_needs_more_than_the_flag_allows_is_refused(values, tmp_path):
    tiny.model().save(tmp_path / "model.keras")
    path = str(tmp_path / "model.keras")
    with pytest.raises(ModelError, match="--max_model_bytes"):
        call_on_model("profile", path, parsed(values, "--max_model_bytes=1000"))


def test_a_missing_file_starts_no_child(values):
    with pytest.raises(ModelError, match=r"a\.keras does not exist"):
        call_on_model("no_such_job", "a.keras", parsed(values))
    with pytest.raises(ModelError, match=r"^'' does not exist"):
        call_on_model("no_such_job", "", parsed(values))


def test_the_folder_of_a_run_is_no_model_and_starts_no_child(values, tmp_path):
    run = make_run(tmp_path / "run")
    expected = r"run is the folder of a run; .* model\.tflite or .* tfcompress compare$"
    with pytest.raises(ModelError, match=expected):
        call_on_model("no_such_job", str(run), parsed(values))
