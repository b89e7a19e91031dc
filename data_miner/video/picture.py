"""Turning a decoded frame into the picture that a person would see: upright, in the colours of a screen."""

from __future__ import annotations

from functools import cache

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray
from PIL import Image

_HDR = {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}
_UNSPECIFIED = 2
#: players take the colours of HD for HD's where the file does not say
_HD_HEIGHT = 720

#: of a white page, in candela per square metre (ITU-R BT.2408)
_WHITE_NITS = 203.0
#: brightness above this share of white is pressed together up to 1
_KNEE = 0.75
#: sRGB is linear up to this brightness
_SRGB_LINEAR = 0.0031308
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def picture(frame: VideoFrame, max_side: int | None) -> Image.Image:
    """Return the upright picture, RGB, no side longer than ``max_side``."""
    hdr = frame.color_trc in _HDR
    longest = max(frame.width, frame.height)
    scale = min(1.0, max_side / longest) if max_side is not None else 1.0
    rgb = frame.reformat(
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="rgb48le" if hdr else "rgb24",
        src_colorspace=_colorspace(frame),
        interpolation=Interpolation.AREA if scale < 1 else Interpolation.BICUBIC,
    ).to_ndarray()
    if hdr:
        image = Image.fromarray(_tone_mapped(rgb.astype(np.uint16, copy=False), ColorTrc(frame.color_trc)))
    else:
        image = Image.fromarray(rgb)
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _colorspace(frame: VideoFrame) -> Colorspace | None:
    if frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT:
        return Colorspace.ITU709
    return None


def _tone_mapped(rgb: NDArray[np.uint16], curve: ColorTrc) -> NDArray[np.uint8]:
    """Return HDR as a screen without HDR shows it: white stays white, brighter things nearly so."""
    light = np.clip(_light(curve)[rgb] @ _BT2020_TO_BT709.T, 0, None)
    brightest = light.max(axis=2, keepdims=True)
    over = np.maximum(brightest - _KNEE, 0)
    room = 1 - _KNEE
    pressed = np.where(brightest > _KNEE, _KNEE + room * over / (over + room), brightest)
    light *= pressed / np.maximum(brightest, 1e-6)
    levels = _screen_levels()
    return np.asarray(levels[(np.clip(light, 0, 1) * (len(levels) - 1)).astype(np.uint16)], np.uint8)


@cache
def _light(curve: ColorTrc) -> NDArray[np.float32]:
    """Return how bright each of 65,536 levels is, as a multiple of white."""
    level = np.linspace(0, 1, 1 << 16)
    if curve == ColorTrc.SMPTE2084:
        root = level ** (32 / 2523)
        nits = 10_000 * (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (
            8192 / 1305
        )
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(level <= 1 / 2, level**2 / 3, (np.exp((level - c) / a) + b) / 12)
        nits = 1_000 * scene**1.2
    return (nits / _WHITE_NITS).astype(np.float32)


@cache
def _screen_levels() -> NDArray[np.uint8]:
    """Return the 8-bit level (sRGB) of evenly spaced brightnesses from 0 to 1."""
    light = np.linspace(0, 1, 1 << 14)
    level = np.where(light <= _SRGB_LINEAR, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(level * 255).astype(np.uint8)
