import gzip
import hashlib
import json

from tfcompress.export import Artifact, Audit, Port

PORT = Port("int8", (1, 2), 0.5, 3)
AUDIT = Audit({"MEAN": 1}, (("MEAN", "pool"),), ("name",), PORT, PORT, (), ())


def test_of_weighs_and_digests_the_content():
    content = bytes(1000)
    artifact = Artifact.of("m.tflite", content, "int8", AUDIT)
    assert artifact.size_bytes == 1000
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert artifact.gzip_bytes == len(gzip.compress(content, 9, mtime=0))


def test_to_dict_is_json_and_holds_the_audit():
    artifact = Artifact.of("m.tflite", b"", "int8", AUDIT, (4, 2))
    facts = json.loads(json.dumps(artifact.to_dict()))
    assert facts["path"] == "m.tflite"
    assert facts["calibration_indices"] == [4, 2]
    assert facts["ops"] == {"MEAN": 1}
    assert facts["float_ops"] == [["MEAN", "pool"]]
    assert facts["input"] == {
        "dtype": "int8",
        "shape": [1, 2],
        "scale": 0.5,
        "zero_point": 3,
    }
