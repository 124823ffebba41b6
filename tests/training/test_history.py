from tfcompress.training.history import History


def test_best_epoch_is_the_first_of_the_lowest_validation_losses():
    history = History(tuple({"val_loss": v} for v in (0.9, 0.5, 0.7, 0.5)))
    assert history.best_epoch == 1
    assert history.waited() == 2


def test_empty():
    assert History().best_epoch is None
    assert History().waited() == 0
