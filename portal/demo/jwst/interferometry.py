"""NIRISS aperture masking: observables of 21 baselines and 35 triangles in the OIFITS convention.

Source: JWST pipeline documentation, "AMI products"; Duvert et al. 2017 (OIFITS 2).
"""

from itertools import combinations
from typing import Any

import numpy as np

from portal.demo.fitsfile import bundle, image, table
from portal.demo.jwst.dataset import Dataset
from portal.demo.jwst.headers import primary
from portal.demo.jwst.images import place, single
from portal.demo.jwst.pixels import fringes
from portal.demo.sky.frame import Card
from portal.demo.sky.texture import rng

# Places of the seven holes in the pupil, m (Sivaramakrishnan et al. 2023)
HOLES = np.array(
    ((0.0, -2.64), (-2.29, 0.0), (2.29, -1.32), (-2.29, 1.32), (-1.14, 1.98), (2.29, 1.32), (1.14, 1.98))
)


def observables(dataset: Dataset, name: str, suffix: str) -> Any:
    """OI_TARGET, OI_WAVELENGTH, OI_VIS2 and OI_T3: a faint companion leaves a small closure phase."""
    pairs = list(combinations(range(1, 8), 2))
    triangles = list(combinations(range(1, 8), 3))
    dice = rng("ami", dataset.obs_id, suffix)
    u, v = np.array([HOLES[b - 1] - HOLES[a - 1] for a, b in pairs]).T
    contrast = 0.0 if dataset.visit.calibrates else 0.004
    vis2 = 1 - 4 * contrast * np.sin(u * 0.5 + v * 0.3) ** 2 + 0.002 * dice.standard_normal(len(pairs))
    closure = 230 * contrast * np.sin(np.arange(len(triangles))) + 0.2 * dice.standard_normal(len(triangles))
    stations = np.array(pairs, dtype=np.int16)
    corners = np.array(triangles, dtype=np.int16)
    cards: list[Card] = [("OI_REVN", 2, "revision of the OIFITS table")]
    target = [
        ("TARGET_ID", np.ones(1, dtype=np.int16), ""),
        ("RAEP0", np.array([dataset.visit.place.ra]), "deg"),
        ("DECEP0", np.array([dataset.visit.place.dec]), "deg"),
    ]
    visibilities = [
        ("VIS2DATA", vis2, ""),
        ("VIS2ERR", np.full(len(pairs), 0.002), ""),
        ("UCOORD", u, "m"),
        ("VCOORD", v, "m"),
        ("STA_INDEX", stations, ""),
    ]
    phases = [
        ("T3PHI", closure, "deg"),
        ("T3PHIERR", np.full(len(triangles), 0.2), "deg"),
        ("STA_INDEX", corners, ""),
    ]
    tables = {
        "OI_TARGET": target,
        "OI_WAVELENGTH": [("EFF_WAVE", np.array([dataset.band.wavelength * 1e-6]), "m")],
        "OI_VIS2": visibilities,
        "OI_T3": phases,
    }
    return bundle(primary(dataset, name, suffix), [table(each, tables[each], cards) for each in tables])


def ami_oi(dataset: Dataset, name: str) -> Any:
    """Observables averaged over integrations."""
    return observables(dataset, name, "ami-oi")


def amimulti_oi(dataset: Dataset, name: str) -> Any:
    """Observables of the integrations."""
    return observables(dataset, name, "amimulti-oi")


def aminorm_oi(dataset: Dataset, name: str) -> Any:
    """Observables normalised by the reference star."""
    return observables(dataset, name, "aminorm-oi")


def amilg(dataset: Dataset, name: str) -> Any:
    """The best-fitting model of the fringes and what it leaves."""
    model = fringes(dataset)
    left = 0.4 * rng("amilg", dataset.obs_id).standard_normal(model.shape)
    return bundle(
        primary(dataset, name, "amilg"),
        [
            image("FIT", single(model), place(dataset)),
            image("RESID", single(left)),
            image("CTRD", single(model + left)),
        ],
    )
