"""Small batches without physics, with the spaces of the real ones."""

import numpy as np

from envs.observation import Entry

FEATURES = tuple(f"f{k}" for k in range(14))


class ToyBatch:
    """Rows that end after some decisions; the reward is told by the observation.

    ``slots`` gives a shelf that a head chooses from: right is the slot with the largest first
    feature. ``size`` gives continuous actions: right is 0.5 everywhere.
    """

    limit = 10.0

    def __init__(self, rows, *, slots=0, size=0, seed=0, length=3):
        self.rows, self.size, self.slots, self.length = rows, size, slots, length
        self.nvec = () if size else (3, slots, 2) if slots else (3, 4, 2)
        names = ["a", "b", *(f"shelf.{s}.{f}" for s in range(slots) for f in FEATURES), "c"]
        self.entries = tuple(Entry(name, "1") for name in names)
        self._first = names.index("shelf.0.f0") if slots else 0
        self.observations = np.zeros((rows, len(names)), dtype=np.float32)
        self._final = self.observations.copy()
        self._mask = np.ones((rows, sum(self.nvec)), dtype=np.bool_)
        self._reward, self._ended = np.zeros(rows), np.zeros(rows, dtype=np.bool_)
        self._scores = np.zeros((4, rows))
        self.reset(seed)

    def reset(self, seed=None):
        if seed is not None:
            self._seed, self._time = seed, 0
        self._age = np.arange(self.rows) % self.length
        self._draw()
        return self.observations, self._info()

    def action_masks(self):
        return self._mask

    def close(self):
        pass

    def step(self, actions):
        if self.size:
            self._reward[:] = -np.square(np.asarray(actions) - 0.5).mean(1)
        elif self.slots:
            shelf = self.observations[:, self._first :: len(FEATURES)][:, : self.slots]
            self._reward[:] = np.asarray(actions)[:, 1] == shelf.argmax(1)
        else:
            self._reward[:] = np.asarray(actions)[:, 0] == 1
        self._age += 1
        self._ended[:] = self._age >= self.length
        self._final[:] = self.observations + 1.0
        self._scores[:] = self._reward
        self._age[self._ended] = 0
        self._draw()
        return (
            self.observations,
            self._reward,
            self._ended,
            np.zeros_like(self._ended),
            self._info(),
        )

    def _draw(self):
        rng = np.random.default_rng((self._seed % 2**32, self._time))
        self._time += 1
        self.observations[:] = rng.uniform(-1.0, 1.0, self.observations.shape)
        if self.nvec:
            self._mask[:] = rng.random(self._mask.shape) < 0.7
            self._mask[:, [0, 3, sum(self.nvec[:2])]] = True

    def _info(self):
        names = ("purity", "yield", "bonus", "cost")
        return {
            "action_mask": self._mask,
            "final_observation": self._final,
            "vetoed": np.zeros(self.rows, dtype=np.bool_),
        } | dict(zip(names, self._scores, strict=True))
