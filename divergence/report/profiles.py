"""A culprit's values as pictures: where they differ, and how both are spread."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

from divergence.records import Profile
from divergence.report import words
from divergence.report.growth import Axis
from divergence.report.markup import Markup, tag

# Black through red to pale yellow: rises in lightness, so it reads in grey and in print.
COLOURS = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
DECADES = 4  # below the greatest error by more than this, all is drawn black


def render(profile: Profile) -> Markup:
    """Return the parts that this value has: picture, error along each axis, histograms."""
    scale = _scale(profile)
    parts = [_picture(profile, scale)] if profile.picture else []
    parts += [_along(profile, axis, errors, scale) for axis, errors in profile.along]
    if any(profile.reference_counts) or any(profile.candidate_counts):
        counts = profile.reference_counts, profile.candidate_counts
        parts.append(histogram("how values are spread: ", profile.edges, *counts))
    return tag("div.profile", parts)


def _scale(profile: Profile) -> Axis:
    """Return one scale for all parts: the decades below the greatest error."""
    errors = [e for _, along in profile.along for e in along if math.isfinite(e)]
    worst = max(errors, default=0.0)
    high = math.ceil(math.log10(worst)) if worst > 0 else 0
    return Axis(high - DECADES, high)


def _picture(profile: Profile, scale: Axis) -> Markup:
    height, width = profile.shape[-2:]
    legend = f"black at most {words.number(10.0**scale.low)}, pale {words.number(10.0**scale.high)}"
    first = len(profile.shape) - 2
    image = tag(
        "img.map",
        at={
            "src": _png(profile.picture, scale),
            "alt": f"error over axes {first} and {first + 1}",
            "width": 192,
            "height": 192,
        },
    )
    title = f"greatest error over axes {first} ({height}, down) and {first + 1} ({width}, across)"
    return tag("figure", tag("figcaption", title), image, tag("p.muted", legend))


def _along(profile: Profile, axis: int, errors: Sequence[float], scale: Axis) -> Markup:
    size = profile.shape[axis]
    worst = max(range(len(errors)), key=errors.__getitem__)
    step = size / len(errors)
    at = f"index {worst}" if len(errors) == size else f"about index {int(worst * step)}"
    bars = [
        _bar(place, len(errors), 1.0 if math.isinf(error) else scale.position(error) or 0.0)
        for place, error in enumerate(errors)
    ]
    return tag(
        "figure",
        tag("figcaption", f"greatest error along axis {axis} ({size})"),
        _drawing(bars, "bad"),
        tag("p.muted", f"{words.number(errors[worst])} at {at}"),
    )


def histogram(
    title: str, edges: Sequence[float], reference: Sequence[int], candidate: Sequence[int]
) -> Markup:
    """Return both histograms over one axis; heights are shares of all, on a square-root scale."""
    counts = (reference, candidate)
    highest = max(max(count) / (sum(count) or 1) for count in counts) or 1.0
    layers = [
        [
            _bar(place, len(count), math.sqrt(one / (sum(count) or 1) / highest))
            for place, one in enumerate(count)
        ]
        for count in counts
    ]
    low, high = words.number(edges[0]), words.number(edges[-1])
    caption = tag(
        "figcaption",
        title,
        tag("span.key.reference", "reference"),
        tag("span.key.candidate", "candidate"),
    )
    drawing = _drawing([tag("g.reference", layers[0]), tag("g.candidate", layers[1])], "both")
    return tag("figure", caption, drawing, tag("p.muted.ends", tag("span", low), tag("span", high)))


def _bar(place: int, count: int, height: float) -> Markup:
    width = 1000 / count
    tall = round(100 * height, 1)
    at = {"x": round(place * width, 2), "y": 100 - tall, "width": round(width, 2), "height": tall}
    return tag("rect", at=at) if tall else Markup()


def _drawing(children: Sequence[Markup], kind: str) -> Markup:
    view = {"viewBox": "0 0 1000 100", "preserveAspectRatio": "none", "aria-hidden": "true"}
    return tag(f"svg.bars.{kind}", children, at=view)


def _png(rows: Sequence[Sequence[float]], scale: Axis) -> str:
    """Return the picture as a data address: it needs no script, and no style of its own."""
    from PIL import Image

    flat = [_colour(1.0 if math.isinf(e) else scale.position(e) or 0.0) for r in rows for e in r]
    image = Image.new("RGB", (len(rows[0]), len(rows)))
    image.putdata(flat)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _colour(share: float) -> tuple[int, int, int]:
    place = share * (len(COLOURS) - 1)
    first = min(int(place), len(COLOURS) - 2)
    rest = place - first
    red, green, blue = (
        round(a + (b - a) * rest) for a, b in zip(COLOURS[first], COLOURS[first + 1], strict=True)
    )
    return red, green, blue
