"""JWST products that hold pictures: ramps, rates, calibrated exposures, mosaics, coronagraphs' cubes.

Source: JWST pipeline documentation, "Science products": SCI, ERR and DQ extensions and their shapes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from portal.demo.fitsfile import bundle, image
from portal.demo.jwst.dataset import Dataset, groups
from portal.demo.jwst.headers import primary
from portal.demo.jwst.pixels import companion, light_curve, truth
from portal.demo.sky.frame import Array, Card
from portal.demo.sky.render import noise
from portal.demo.sky.texture import rng

RATE = 2.4  # MJy/sr per DN/s
FLOOR, BIAS = 0.05, 1200.0
JUMP, HOT = 4, 2048  # data quality flags: JUMP_DET, HOT
DUMMY: tuple[Card, ...] = ()


def place(dataset: Dataset) -> list[Card]:
    """The WCS of a picture of the sky; of dispersed light only where it was taken."""
    cards = dataset.frame.cards()
    if dataset.visit.mode.spectral:
        return [card for card in cards if card[0] == "S_REGION"]
    shape = truth(dataset).shape
    return dataset.frame.resized(shape[1], shape[0], dataset.frame.scale).cards()


def single(array: Array) -> npt.NDArray[np.float32]:
    """As FITS stores it."""
    return array.astype(np.float32)


def errors(signal: Array) -> npt.NDArray[np.float32]:
    """One-sigma errors of a signal."""
    return single(FLOOR * np.sqrt(0.05 + np.maximum(signal, 0) * 0.04))


def flags(dataset: Dataset, shape: tuple[int, ...], share: float) -> npt.NDArray[np.uint32]:
    """Data quality: a few hot pixels, the same in every file of the detector, and cosmic rays."""
    quality = np.zeros(shape, dtype=np.uint32)
    quality[..., rng("hot", dataset.detector).random(shape[-2:]) < 0.001] = HOT
    quality[rng("jump", dataset.obs_id).random(shape) < share] |= np.uint32(JUMP)
    return quality


def measured(dataset: Dataset, *, series: bool, salt: str = "exposure") -> Array:
    """The signal with noise: a picture, or a cube of one for each integration."""
    signal = truth(dataset)
    if series:
        signal = light_curve(dataset)[:, None, None] * signal[None, :, :]
    return np.asarray(signal + noise(dataset.obs_id + salt, signal, FLOOR))


def calibrated(
    dataset: Dataset, name: str, suffix: str, *, series: bool, scale: float, unit: str, share: float
) -> Any:
    """SCI, ERR and DQ of a picture or cube."""
    signal = measured(dataset, series=series) * scale
    cards = place(dataset)
    return bundle(
        primary(dataset, name, suffix),
        [
            image("SCI", single(signal), cards, unit),
            image("ERR", errors(signal), DUMMY, unit),
            image("DQ", flags(dataset, signal.shape, share)),
        ],
    )


def uncal(dataset: Dataset, name: str) -> Any:
    """Raw ramps: (integrations, groups, rows, columns) of 16-bit numbers."""
    rates = measured(dataset, series=True) / RATE
    step = np.arange(1, groups(dataset.visit) + 1)[None, :, None, None]
    ramps = BIAS + 10 * step * rates[:, None, :, :]
    raw = np.clip(np.rint(ramps), 0, 65535).astype(np.uint16)
    return bundle(primary(dataset, name, "uncal"), [image("SCI", raw, place(dataset), "DN")])


def rate(dataset: Dataset, name: str) -> Any:
    """Count rates, averaged over integrations."""
    return calibrated(dataset, name, "rate", series=False, scale=1 / RATE, unit="DN/s", share=0.004)


def rateints(dataset: Dataset, name: str) -> Any:
    """Count rates of each integration."""
    return calibrated(dataset, name, "rateints", series=True, scale=1 / RATE, unit="DN/s", share=0.004)


def trapsfilled(dataset: Dataset, name: str) -> Any:
    """Charge traps filled at the end of the exposure: one plane for each of three families of traps."""
    signal = np.maximum(truth(dataset), 0)
    planes = np.stack([signal * factor for factor in (0.02, 0.05, 0.11)])
    return bundle(primary(dataset, name, "trapsfilled"), [image("SCI", single(planes), place(dataset), "DN")])


def cal(dataset: Dataset, name: str) -> Any:
    """Calibrated exposure."""
    return calibrated(dataset, name, "cal", series=False, scale=1, unit="MJy/sr", share=0.004)


def calints(dataset: Dataset, name: str) -> Any:
    """Calibrated integrations."""
    return calibrated(dataset, name, "calints", series=True, scale=1, unit="MJy/sr", share=0.004)


def crf(dataset: Dataset, name: str) -> Any:
    """Calibrated exposure with the outliers that stage 3 found."""
    return calibrated(dataset, name, "crf", series=False, scale=1, unit="MJy/sr", share=0.007)


def crfints(dataset: Dataset, name: str) -> Any:
    """Calibrated integrations with outliers flagged."""
    return calibrated(dataset, name, "crfints", series=True, scale=1, unit="MJy/sr", share=0.007)


def i2d(dataset: Dataset, name: str) -> Any:
    """A rectified image: SCI, ERR, CON and WHT; of a mosaic the deeper one."""
    signal = companion(dataset) if dataset.visit.mode.level3 == "coron3" else truth(dataset)
    depth = 0.5 if dataset.combined else 1.0
    picture = signal + noise(dataset.obs_id, signal, FLOOR * depth)
    weight = np.full(signal.shape, dataset.seconds)
    return bundle(
        primary(dataset, name, "i2d"),
        [
            image("SCI", single(picture), place(dataset), "MJy/sr"),
            image("ERR", errors(signal) * np.float32(depth), DUMMY, "MJy/sr"),
            image("CON", np.ones((1, *signal.shape), dtype=np.uint8)),
            image("WHT", single(weight)),
        ],
    )


def psfstack(dataset: Dataset, name: str) -> Any:
    """Images of the reference star: (image, rows, columns)."""
    signal = truth(dataset) - companion(dataset)
    stack = np.stack([signal + noise(f"{dataset.obs_id}{n}", signal, FLOOR) for n in range(3)])
    return stacked(dataset, name, "psfstack", stack)


def psfalign(dataset: Dataset, name: str) -> Any:
    """The reference images shifted onto each integration: (integration, image, rows, columns)."""
    signal = truth(dataset) - companion(dataset)
    cube = np.stack([np.roll(signal, shift, axis=1) for shift in (0, 1)])[:, None] * np.ones((1, 2, 1, 1))
    return stacked(dataset, name, "psfalign", cube + noise(dataset.obs_id, cube, FLOOR))


def psfsub(dataset: Dataset, name: str) -> Any:
    """Integrations with the star subtracted: companions and discs remain."""
    signal = np.stack([companion(dataset)] * 2)
    return stacked(dataset, name, "psfsub", signal + 6 * noise(dataset.obs_id, signal, FLOOR))


def stacked(dataset: Dataset, name: str, suffix: str, cube: Array) -> Any:
    """SCI, ERR and DQ of a stack of images."""
    return bundle(
        primary(dataset, name, suffix),
        [
            image("SCI", single(cube), place(dataset), "MJy/sr"),
            image("ERR", errors(cube), DUMMY, "MJy/sr"),
            image("DQ", flags(dataset, cube.shape, 0.002)),
        ],
    )
