"""A history of generated pictures for the discriminator (Shrivastava et al., arXiv 1612.07828)."""

import torch
from torch import Tensor, nn


class PicturePool(nn.Module):
    """Hands the discriminator older pictures half of the time, which steadies its training.

    The history lies in buffers, so that a checkpoint holds it, and the choice is drawn from
    torch's generator, which the training loop seeds at every step: a resumed run makes the same
    choices from the same pictures.

    Args:
        capacity: Pictures that are remembered; 0 hands on every picture as it comes.
        channels: Channels of a picture.
        size: Pixels a side.
    """

    pictures: Tensor
    filled: Tensor

    def __init__(self, capacity: int, channels: int, size: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("pictures", torch.zeros(capacity, channels, size, size))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, new: Tensor) -> Tensor:
        """Remember pictures, and return as many of which some are older.

        Args:
            new: ``(N, C, H, W)``.

        Returns:
            Without gradient: while there is room the new pictures; later each with a probability
            of one half a picture of the history, whose place the new one takes.
        """
        if not self.capacity:
            return new.detach()
        return torch.stack([self._exchange(picture) for picture in new.detach().float()])

    def _exchange(self, picture: Tensor) -> Tensor:
        count = int(self.filled)
        if count < self.capacity:
            self.pictures[count] = picture
            self.filled += 1
            return picture
        # On the CPU, so that the same pictures are chosen whichever device trains.
        if torch.rand(()).item() < 0.5:
            return picture
        place = int(torch.randint(self.capacity, ()).item())
        older = self.pictures[place].clone()
        self.pictures[place] = picture
        return older
