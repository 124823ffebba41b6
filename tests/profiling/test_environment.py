import sys

from tfcompress.profiling.environment import environment


def test_environment_names_what_figures_depend_on():
    found = environment(num_threads=2)
    assert set(found) == {
        "python",
        "tensorflow",
        "tf_keras",
        "tensorflow_model_optimization",
        "keras",
        "ai_edge_litert",
        "tfcompress",
        "cpu",
        "isa",
        "num_threads",
    }
    assert found["python"].split(".")[:2] == [str(v) for v in sys.version_info[:2]]
    assert found["tensorflow"].startswith("2.")
    assert found["num_threads"] == 2
