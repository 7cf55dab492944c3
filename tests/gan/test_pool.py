import torch

from gancompress.gan import PicturePool


def flat(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)


def test_while_there_is_room_every_picture_comes_back_as_it_is() -> None:
    pool, new = PicturePool(3, 3, 4), flat(1, 2, 3)
    assert torch.equal(pool(new), new)
    assert int(pool.filled) == 3


def test_a_full_pool_hands_out_older_pictures_half_of_the_time_and_each_once() -> None:
    torch.manual_seed(0)
    pool = PicturePool(50, 3, 4)
    seen = [float(pool(flat(i))[0, 0, 0, 0]) for i in range(1050)]
    later = seen[50:]
    older = sum(value != place for place, value in enumerate(later, start=50))
    assert 430 < older < 570
    # What was handed out has left the history, so that nothing comes twice.
    repeated = [value for value in later if later.count(value) > 1]
    assert not repeated
    assert min(place - value for place, value in enumerate(later, start=50)) == 0


def test_a_pool_of_no_pictures_hands_on_what_comes_without_gradient() -> None:
    new = flat(1.0, 2.0).clone().requires_grad_()
    out = PicturePool(0, 3, 4)(new)
    assert torch.equal(out, new)
    assert not out.requires_grad


def test_the_history_is_in_the_state_and_the_choice_in_torchs_generator() -> None:
    torch.manual_seed(0)
    one = PicturePool(4, 3, 4)
    one(flat(*range(4)))
    other = PicturePool(4, 3, 4)
    other.load_state_dict(one.state_dict())
    pictures = []
    for pool in (one, other):
        torch.manual_seed(7)
        pictures.append(pool(flat(*range(10, 30))))
    assert torch.equal(*pictures)
    assert torch.equal(one.pictures, other.pictures)


def test_what_is_handed_out_does_not_change_when_its_place_is_taken() -> None:
    torch.manual_seed(0)
    pool = PicturePool(1, 3, 4)
    pool(flat(1))
    handed = [pool(flat(i)) for i in range(2, 12)]
    assert all(bool((picture == picture[0, 0, 0, 0]).all()) for picture in handed)
