from tfcompress.training.history import History


def test_best_epoch_is_the_first_of_the_lowest_validation_losses():
    history = History(tuple({"val_loss": v} for v in (0.9, 0.5, 0.7, 0.5)))
    assert history.best_epoch == 1
    assert history.waited() == 2


def test_empty():
    assert History().best_epoch is None
    assert History().waited() == 0


def test_seconds_are_summed_and_no_part_of_equality():
    epochs = ({"val_loss": 0.5}, {"val_loss": 0.4})
    assert History(epochs, (1.5, 2.25)).seconds == 3.75
    assert History(epochs, (1.5, 2.25)) == History(epochs, (9.0, 9.0))
    assert History().seconds == 0
