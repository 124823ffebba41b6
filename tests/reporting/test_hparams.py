import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from tfcompress.reporting.hparams import write_hparams
from tfcompress.reporting.report import Report

REPORT = Report(
    schema_version=1,
    recipe={"name": "a", "digest": "0123456789abcdef" * 4, "seed": 3},
    environment={},
    data={},
    baseline={},
    stages=[],
    artifact={"top1": 0.75, "size_bytes": 9000, "gzip_bytes": 7000, "macs": 5000},
    comparison={"top1_drop": 0.0625, "latency_ratio": 1.5},
)
SETTINGS = {
    "name": "a",
    "stages": [{"type": "Training", "epochs": 2, "objective": None, "best": True}],
}


def read(folder):
    events = EventAccumulator(str(folder)).Reload()
    data = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    info = metadata.parse_session_start_info_plugin_data(data)
    settings = {}
    for name, value in info.hparams.items():
        settings[name] = getattr(value, value.WhichOneof("kind"))
    results = {
        tag: float(tf.make_ndarray(events.Tensors(tag)[0].tensor_proto))
        for tag in events.Tags()["tensors"]
        if tag.startswith("result/")
    }
    return info.group_name, settings, results


def test_settings_and_results_are_columns_of_the_table(tmp_path):
    folder = tmp_path / "hparams"
    write_hparams(folder, SETTINGS, REPORT)
    group, settings, results = read(folder)
    assert group == "0123456789abcdef_3"
    assert settings == {
        "name": "a",
        "stages.0.type": "Training",
        "stages.0.epochs": 2.0,
        "stages.0.best": True,
    }
    assert results == {
        "result/top1": 0.75,
        "result/top1_drop": 0.0625,
        "result/size_bytes": 9000.0,
        "result/gzip_bytes": 7000.0,
        "result/macs": 5000.0,
        "result/latency_ratio": 1.5,
    }


def test_written_again_it_stands_there_once(tmp_path):
    for _ in range(2):
        write_hparams(tmp_path / "hparams", SETTINGS, REPORT)
    assert len(list((tmp_path / "hparams").iterdir())) == 1
