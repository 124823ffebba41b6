import json

import numpy as np
import tf_keras as keras

import tfcompress as tfc

layers = keras.layers


def test_values_that_differ_are_counted_in_the_kernel_and_by_channel(tmp_path):
    image = layers.Input((4, 4, 2), name="image")
    x = layers.Conv2D(3, 1, name="conv")(image)
    x = layers.DepthwiseConv2D(2, name="depthwise")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(2, name="dense")(x), name="net")
    # 4 different values; no channel, which is a column, has more than 2.
    conv = np.float32([[1, 2, 0], [1, 3, 0]])
    model.get_layer("conv").kernel.assign(conv.reshape(1, 1, 2, 3))
    # Channels of 4, 1 and 1; 5 in all.
    depthwise = np.float32([[1, 5, 2], [2, 5, 2], [3, 5, 2], [4, 5, 2]])
    model.get_layer("depthwise").depthwise_kernel.assign(depthwise.reshape(2, 2, 3, 1))
    model.get_layer("dense").kernel.assign(np.float32([[0, 1], [0, 2], [0, 3]]))
    path = tmp_path / "m.tflite"
    tfc.export_tflite(model, path, quantization="float32")
    profile = tfc.profile(path, latency=False)
    found = {x.name: (x.num_values, x.num_channel_values) for x in profile.layers}
    assert found == {
        "conv": (4, 2),
        "depthwise": (5, 4),
        "pool": (None, None),
        "dense": (4, 3),
    }
    rows = json.loads(profile.to_json())["layers"]
    assert [row["num_values"] for row in rows] == [4, 5, None, 4]
    assert type(profile).from_dict(json.loads(profile.to_json())) == profile
    assert "num_values,num_channel_values" in profile.to_csv().splitlines()[0]
