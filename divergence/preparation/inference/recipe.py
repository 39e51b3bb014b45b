"""The recipe of a tensor: how an image became it, in parts that can be exchanged one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from divergence.preparation.inference.kernels import Kernel
from divergence.preparation.inference.readings import Reading
from divergence.preparation.inference.tone import Tone
from divergence.preparation.steps import Pad, Resize, Step


@dataclass(frozen=True, slots=True)
class Parts:
    """What happens to a turned picture before its values are scaled.

    geometry: resize, crop and pad steps; the kernel that they name counts only where `kernel`
    is None. before, after: steps on values around the geometry (jpeg, gamma).
    """

    geometry: tuple[Step, ...]
    kernel: Kernel | None = None
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()

    @property
    def pad(self) -> Pad | None:
        """The border, if there is one."""
        return next((step for step in self.geometry if isinstance(step, Pad)), None)

    @property
    def resizes(self) -> bool:
        """Whether a resize is among the steps."""
        return any(isinstance(step, Resize) for step in self.geometry)

    def steps(self) -> tuple[Step, ...]:
        """Return all the steps, in order."""
        shaped = self.kernel.apply(self.geometry) if self.kernel else self.geometry
        return self.before + shaped + self.after

    def padded_with(self, value: tuple[float, ...] | str) -> Parts:
        """Return the same with another value in the border."""
        geometry = tuple(
            replace(step, value=value) if isinstance(step, Pad) else step for step in self.geometry
        )
        return replace(self, geometry=geometry)


@dataclass(frozen=True, slots=True)
class Trial:
    """Parts that were tried, the border's value filled in, and how near they come.

    rms, worst: root mean square and greatest distance to the tensor, in grey levels (0..255).
    exact: the distance is rounding of floating-point numbers.
    certain: it is that of the tensor's own type alone: not even another library's order of
    additions is left over.
    """

    parts: Parts
    tone: Tone
    rms: float
    worst: float
    exact: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class Recipe:
    """One preparation, and how near it comes to the tensor that it was inferred from.

    turn: flip or turn of the picture as decoded with EXIF, Pillow's name, or None.
    reading: the tensor's layout. dtype: its type.
    """

    turn: str | None
    trial: Trial
    reading: Reading
    dtype: str

    @property
    def parts(self) -> Parts:
        """The steps between turning and tone."""
        return self.trial.parts

    @property
    def tone(self) -> Tone:
        """From bytes to the tensor's values."""
        return self.trial.tone
