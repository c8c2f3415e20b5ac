"""Draw the picture that the demo sends, with nothing but the standard library.

python examples/draw_picture.py    # writes ecall_facade/sandbox/picture.png
"""

import itertools
import math
import struct
import zlib
from pathlib import Path

WIDTH, HEIGHT = 480, 320
SHORE = 226  # the row where the lake begins
SAMPLES = (1 / 6, 1 / 2, 5 / 6)  # per pixel and direction, for smooth edges

Colour = tuple[float, float, float]

SKY_TOP, SKY_LOW = (38.0, 61.0, 112.0), (250.0, 196.0, 150.0)
SUN, GLOW, SUN_X, SUN_Y, SUN_RADIUS = (
    (255.0, 241.0, 204.0),
    (255.0, 190.0, 130.0),
    318.0,
    128.0,
    27.0,
)
SNOW, SNOW_SHADE = (248.0, 244.0, 246.0), (196.0, 198.0, 222.0)
# Each range of mountains: its colour on the sunny side and in the shade, and its peaks (x, y) from left to right.
RANGES: list[tuple[Colour, Colour, bool, list[tuple[float, float]]]] = [
    (
        (146, 140, 178),
        (124, 120, 166),
        True,
        [
            (-40, 190),
            (46, 118),
            (92, 158),
            (168, 68),
            (236, 160),
            (300, 148),
            (392, 86),
            (452, 150),
            (540, 120),
        ],
    ),
    (
        (92, 96, 146),
        (76, 80, 130),
        False,
        [
            (-30, 150),
            (70, 208),
            (128, 168),
            (196, 212),
            (286, 178),
            (352, 214),
            (440, 162),
            (520, 214),
        ],
    ),
    (
        (48, 58, 98),
        (40, 48, 86),
        False,
        [(-20, 196), (58, 222), (150, 218), (226, 226), (330, 222), (420, 206), (500, 188)],
    ),
]
BOAT_X, BOAT_Y = 132.0, 262.0


def mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def scene(x: float, y: float) -> Colour:
    """Give the colour of what stands above the shore."""
    colour = mix(SKY_TOP, SKY_LOW, min(y / 200, 1) ** 1.25)
    distance = math.hypot(x - SUN_X, y - SUN_Y)
    colour = (
        SUN
        if distance < SUN_RADIUS
        else mix(GLOW, colour, min(1, 0.6 + (distance - SUN_RADIUS) / 200))
    )
    for sunny, shade, has_snow, peaks in RANGES:
        for (left, top), (right, low) in itertools.pairwise(peaks):
            if left <= x < right:
                ridge = top + (low - top) * (x - left) / (right - left)
                ridge += 3 * math.sin(x / 7) * math.sin(x / 17)
                if y >= ridge:
                    is_lit = (low > top) == (
                        (left + right) / 2 < SUN_X
                    )  # the slope looks towards the sun
                    cap = 102 + 8 * math.sin(x / 5) + 5 * math.sin(x / 3)
                    lit, unlit = (SNOW, SNOW_SHADE) if has_snow and y < cap else (sunny, shade)
                    colour = lit if is_lit else unlit
    return colour


def boat(x: float, y: float) -> Colour | None:
    x, y = x - BOAT_X, y - BOAT_Y
    if 0 <= y < 9 and abs(x) < 30 - y * 1.1:
        return 92.0, 44.0, 50.0
    if -46 <= y < -3 and 2 <= x < 2 + (y + 46) * 0.52:
        return 250.0, 246.0, 240.0
    if -38 <= y < -3 and -2 >= x > -2 - (y + 38) * 0.42:
        return 222.0, 70.0, 66.0
    return None


def colour_at(x: float, y: float) -> Colour:
    if (of_boat := boat(x, y)) is not None:
        return of_boat
    if y < SHORE:
        return scene(x, y)
    depth = (y - SHORE) / (HEIGHT - SHORE)
    ripple = math.sin((y - SHORE) ** 0.8 * 2.1) * (2 + 9 * depth)
    mirrored = scene(x + ripple, SHORE - (y - SHORE) * 1.7)
    return mix(mirrored, (28.0, 46.0, 92.0), 0.38 + 0.3 * depth)


def pixel(x: int, y: int) -> bytes:
    samples = [colour_at(x + right, y + down) for down in SAMPLES for right in SAMPLES]
    return bytes(
        round(sum(channel) / len(samples) / 3) * 3 for channel in zip(*samples, strict=True)
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png() -> bytes:
    rows = b""
    for y in range(HEIGHT):
        row = b"".join(pixel(x, y) for x in range(WIDTH))
        # Filter 1: each byte less the one of the pixel to the left, so that even areas become zeros.
        rows += (
            b"\1"
            + row[:3]
            + bytes((here - left) % 256 for here, left in zip(row[3:], row, strict=False))
        )
    header = struct.pack(
        ">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0
    )  # 8 bits each of red, green and blue
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


if __name__ == "__main__":
    target = Path(__file__).parents[1] / "ecall_facade" / "sandbox" / "picture.png"
    target.write_bytes(png())
    print(f"Wrote {target.name}, {target.stat().st_size:,} bytes")
