"""Values and shapes of one seed."""

import random

import torch


class Drawing:
    def __init__(self, seed):
        self._sizes = random.Random(seed)
        self._values = torch.Generator().manual_seed(seed)

    def size(self, least=3, most=33):
        """An odd size."""
        return self._sizes.randrange(least | 1, most + 1, 2)

    def number(self, low, high):
        """A decimal of two digits, so that both sides read the same one."""
        return round(self._sizes.uniform(low, high), 2)

    def normal(self, *shape):
        return torch.randn(*shape, dtype=torch.float32, generator=self._values)

    def apart(self, *shape):
        """Away from 0, where kinked functions have no derivative."""
        x = self.normal(*shape)
        return x + 0.05 * torch.sign(x)

    def positive(self, *shape):
        """From 0.1 to 1.1."""
        return torch.rand(*shape, dtype=torch.float32, generator=self._values) + 0.1

    def bits(self, *shape):
        return torch.rand(*shape, generator=self._values) > 0.5

    def below(self, bound, *shape):
        return torch.randint(0, bound, shape, generator=self._values)

    def every(self, bound, rows):
        """Indices below the bound, each of them at least once."""
        extra = self.below(bound, max(0, rows - bound))
        return torch.cat([torch.randperm(bound, generator=self._values), extra])

    def permutation(self, count):
        return torch.randperm(count, generator=self._values)
