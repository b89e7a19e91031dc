from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

from data_miner.dedup.phash import distances, perceptual_hash


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Soft random shapes."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def hashed(image: Image.Image) -> int:
    value = perceptual_hash(image)
    assert value is not None
    return value


def changed(image: Image.Image) -> list[Image.Image]:
    """The same picture smaller, compressed, blurred, and brighter."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=20)
    return [
        image.resize((100, 80)),
        Image.open(buffer),
        image.filter(ImageFilter.GaussianBlur(3)),
        image.point(lambda value: int(min(255, value * 0.9 + 10))),
    ]


def test_changes_that_the_eye_hardly_sees_flip_few_bits() -> None:
    flipped = [
        (hashed(picture(seed)) ^ hashed(other)).bit_count()
        for seed in range(10)
        for other in changed(picture(seed))
    ]
    assert max(flipped) <= 10
    assert np.mean(flipped) <= 3


def test_other_pictures_differ_in_about_half_of_the_bits() -> None:
    values = np.array([hashed(picture(seed)) for seed in range(20)], np.uint64)
    apart = distances(values, values)[~np.eye(20, dtype=bool)]
    assert apart.min() > 10
    assert 24 < apart.mean() < 40


def test_a_plain_picture_has_no_hash() -> None:
    for grey in (0, 128, 255):
        assert perceptual_hash(Image.new("RGB", (64, 48), (grey, grey, grey))) is None
    noisy = np.random.default_rng(1).integers(120, 124, (480, 640, 3), np.uint8)
    assert perceptual_hash(Image.fromarray(noisy)) is None
