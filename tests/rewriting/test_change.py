from tfcompress.rewriting.change import Change


def test_a_change_is_a_layer_and_what_was_done_to_it():
    layer, text = Change("scale", "merged into conv")
    assert (layer, text) == ("scale", "merged into conv")
