from gancompress.distill.sampler import step_indices, step_seed


def test_an_epoch_sees_every_picture_once_and_the_next_in_another_order() -> None:
    data = range(12)
    first = [i for s in range(3) for i in step_indices(data, seed=1, step=s, batch_size=4)]
    second = [i for s in range(3, 6) for i in step_indices(data, seed=1, step=s, batch_size=4)]
    assert sorted(first) == sorted(second) == list(data)
    assert first != second


def test_a_batch_larger_than_the_data_repeats_pictures() -> None:
    drawn = step_indices(range(3), seed=0, step=5, batch_size=8)
    assert len(drawn) == 8
    assert set(drawn) <= {0, 1, 2}


def test_seeds_differ_between_steps_and_runs() -> None:
    assert len({step_seed(seed, step) for seed in range(5) for step in range(100)}) == 500
