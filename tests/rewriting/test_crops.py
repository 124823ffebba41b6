import pytest
import tf_keras as keras

from tfcompress.rewriting.crops import replace_crops

layers = keras.layers


def built(layer, shape=(8, 9, 3)):
    image = keras.Input(shape, name="image")
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (layers.CenterCrop(4, 4, name="crop"), "Cropping2D"),
        (layers.CenterCrop(8, 4, name="crop"), "Cropping2D"),
        (layers.CenterCrop(10, 4, name="crop"), "Resizing"),
        (layers.RandomCrop(4, 6, name="crop"), "Resizing"),
        (layers.RandomCrop(10, 6, name="crop"), "Resizing"),
    ],
)
def test_a_crop_becomes_what_it_does_at_inference(rewritten, layer, kind):
    model, changes = rewritten(built(layer), replace_crops)
    assert changes == [("crop", f"rewritten to {kind}")]
    assert type(model.get_layer("crop")).__name__ == kind


def test_a_crop_of_an_open_size_stays(rewritten):
    model = built(layers.CenterCrop(4, 4), (None, 8, 3))
    assert rewritten(model, replace_crops)[1] == []
