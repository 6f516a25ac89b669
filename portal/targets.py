"""Positions of well-known targets, so that a name resolves without a network.

All Messier objects, the targets of the demo archive and some others that astronomers type first. ICRS,
good to an arcminute (extended objects have no better centre), from SIMBAD and NED as commonly quoted.
"""

import re
import unicodedata
from dataclasses import dataclass

# hours minutes seconds, degrees arcminutes arcseconds, name, aliases
MESSIER = """
05 34 31.9 +22 00 52 | M 1 | NGC 1952 | Crab Nebula | Crab | Taurus A
21 33 27.0 -00 49 24 | M 2 | NGC 7089
13 42 11.6 +28 22 38 | M 3 | NGC 5272
16 23 35.2 -26 31 33 | M 4 | NGC 6121
15 18 33.2 +02 04 52 | M 5 | NGC 5904
17 40 16.6 -32 14 31 | M 6 | NGC 6405 | Butterfly Cluster
17 53 47.3 -34 50 28 | M 7 | NGC 6475 | Ptolemy Cluster
18 03 37.0 -24 23 12 | M 8 | NGC 6523 | Lagoon Nebula
17 19 11.8 -18 30 59 | M 9 | NGC 6333
16 57 08.9 -04 05 58 | M 10 | NGC 6254
18 51 03.8 -06 16 19 | M 11 | NGC 6705 | Wild Duck Cluster
16 47 14.2 -01 56 55 | M 12 | NGC 6218
16 41 41.2 +36 27 36 | M 13 | NGC 6205 | Hercules Cluster
17 37 36.1 -03 14 45 | M 14 | NGC 6402
21 29 58.3 +12 10 01 | M 15 | NGC 7078
18 18 48.0 -13 48 24 | M 16 | NGC 6611 | Eagle Nebula | Pillars of Creation
18 20 47.1 -16 10 18 | M 17 | NGC 6618 | Omega Nebula | Swan Nebula
18 19 58.1 -17 06 07 | M 18 | NGC 6613
17 02 37.8 -26 16 05 | M 19 | NGC 6273
18 02 42.1 -22 58 18 | M 20 | NGC 6514 | Trifid Nebula
18 04 13.4 -22 29 24 | M 21 | NGC 6531
18 36 23.9 -23 54 17 | M 22 | NGC 6656
17 57 04.1 -18 59 13 | M 23 | NGC 6494
18 16 54.0 -18 29 00 | M 24 | IC 4715 | Sagittarius Star Cloud
18 31 46.8 -19 06 50 | M 25 | IC 4725
18 45 17.8 -09 23 10 | M 26 | NGC 6694
19 59 36.3 +22 43 16 | M 27 | NGC 6853 | Dumbbell Nebula
18 24 32.8 -24 52 11 | M 28 | NGC 6626
20 23 57.7 +38 30 28 | M 29 | NGC 6913
21 40 22.1 -23 10 48 | M 30 | NGC 7099
00 42 44.3 +41 16 08 | M 31 | NGC 224 | Andromeda Galaxy | Andromeda
00 42 41.8 +40 51 55 | M 32 | NGC 221
01 33 50.9 +30 39 36 | M 33 | NGC 598 | Triangulum Galaxy
02 42 07.4 +42 43 19 | M 34 | NGC 1039
06 09 05.3 +24 20 10 | M 35 | NGC 2168
05 36 20.2 +34 08 06 | M 36 | NGC 1960
05 52 17.8 +32 32 42 | M 37 | NGC 2099
05 28 40.1 +35 49 26 | M 38 | NGC 1912
21 31 33.4 +48 14 49 | M 39 | NGC 7092
12 22 12.5 +58 04 59 | M 40 | Winnecke 4
06 45 59.8 -20 42 58 | M 41 | NGC 2287
05 35 17.3 -05 23 28 | M 42 | NGC 1976 | Orion Nebula | Great Orion Nebula
05 35 31.3 -05 16 03 | M 43 | NGC 1982
08 40 13.0 +19 37 16 | M 44 | NGC 2632 | Praesepe | Beehive Cluster
03 46 24.2 +24 06 50 | M 45 | Pleiades | Melotte 22 | Seven Sisters
07 41 46.8 -14 48 36 | M 46 | NGC 2437
07 36 35.3 -14 29 20 | M 47 | NGC 2422
08 13 38.9 -05 43 34 | M 48 | NGC 2548
12 29 46.8 +08 00 02 | M 49 | NGC 4472
07 02 44.2 -08 21 54 | M 50 | NGC 2323
13 29 52.7 +47 11 43 | M 51 | NGC 5194 | Whirlpool Galaxy | M 51a
23 24 46.8 +61 35 24 | M 52 | NGC 7654
13 12 55.3 +18 10 05 | M 53 | NGC 5024
18 55 03.3 -30 28 48 | M 54 | NGC 6715
19 39 59.7 -30 57 53 | M 55 | NGC 6809
19 16 35.6 +30 11 00 | M 56 | NGC 6779
18 53 35.1 +33 01 45 | M 57 | NGC 6720 | Ring Nebula
12 37 43.5 +11 49 05 | M 58 | NGC 4579
12 42 02.3 +11 38 49 | M 59 | NGC 4621
12 43 40.0 +11 33 10 | M 60 | NGC 4649
12 21 54.9 +04 28 26 | M 61 | NGC 4303
17 01 12.8 -30 06 49 | M 62 | NGC 6266
13 15 49.3 +42 01 46 | M 63 | NGC 5055 | Sunflower Galaxy
12 56 43.7 +21 40 58 | M 64 | NGC 4826 | Black Eye Galaxy
11 18 55.9 +13 05 32 | M 65 | NGC 3623
11 20 15.0 +12 59 30 | M 66 | NGC 3627
08 51 23.0 +11 48 50 | M 67 | NGC 2682
12 39 28.0 -26 44 39 | M 68 | NGC 4590
18 31 23.1 -32 20 53 | M 69 | NGC 6637
18 43 12.8 -32 17 32 | M 70 | NGC 6681
19 53 46.5 +18 46 45 | M 71 | NGC 6838
20 53 27.7 -12 32 14 | M 72 | NGC 6981
20 58 54.0 -12 38 08 | M 73 | NGC 6994
01 36 41.8 +15 47 01 | M 74 | NGC 628 | Phantom Galaxy
20 06 04.7 -21 55 16 | M 75 | NGC 6864
01 42 19.9 +51 34 31 | M 76 | NGC 650 | Little Dumbbell Nebula
02 42 40.7 -00 00 48 | M 77 | NGC 1068
05 46 45.8 +00 04 45 | M 78 | NGC 2068
05 24 10.6 -24 31 27 | M 79 | NGC 1904
16 17 02.4 -22 58 34 | M 80 | NGC 6093
09 55 33.2 +69 03 55 | M 81 | NGC 3031 | Bode's Galaxy
09 55 52.7 +69 40 46 | M 82 | NGC 3034 | Cigar Galaxy
13 37 00.9 -29 51 56 | M 83 | NGC 5236 | Southern Pinwheel
12 25 03.7 +12 53 13 | M 84 | NGC 4374
12 25 24.1 +18 11 28 | M 85 | NGC 4382
12 26 11.7 +12 56 47 | M 86 | NGC 4406
12 30 49.4 +12 23 28 | M 87 | NGC 4486 | Virgo A
12 31 59.2 +14 25 13 | M 88 | NGC 4501
12 35 39.8 +12 33 23 | M 89 | NGC 4552
12 36 49.8 +13 09 47 | M 90 | NGC 4569
12 35 26.4 +14 29 47 | M 91 | NGC 4548
17 17 07.4 +43 08 09 | M 92 | NGC 6341
07 44 33.6 -23 51 11 | M 93 | NGC 2447
12 50 53.1 +41 07 14 | M 94 | NGC 4736
10 43 57.7 +11 42 14 | M 95 | NGC 3351
10 46 45.7 +11 49 12 | M 96 | NGC 3368
11 14 47.7 +55 01 09 | M 97 | NGC 3587 | Owl Nebula
12 13 48.3 +14 54 01 | M 98 | NGC 4192
12 18 49.6 +14 24 59 | M 99 | NGC 4254
12 22 54.8 +15 49 20 | M 100 | NGC 4321
14 03 12.6 +54 20 56 | M 101 | NGC 5457 | Pinwheel Galaxy
15 06 29.5 +55 45 48 | M 102 | NGC 5866 | Spindle Galaxy
01 33 22.8 +60 39 32 | M 103 | NGC 581
12 39 59.4 -11 37 23 | M 104 | NGC 4594 | Sombrero Galaxy
10 47 49.6 +12 34 54 | M 105 | NGC 3379
12 18 57.5 +47 18 14 | M 106 | NGC 4258
16 32 31.9 -13 03 14 | M 107 | NGC 6171
11 11 31.0 +55 40 27 | M 108 | NGC 3556
11 57 36.0 +53 22 28 | M 109 | NGC 3992
00 40 22.1 +41 41 07 | M 110 | NGC 205
"""

OTHERS = """
10 07 01.8 -40 26 11 | NGC 3132 | Southern Ring Nebula | Eight Burst Nebula
10 37 19.0 -58 37 12 | NGC 3324 | Cosmic Cliffs | Carina
10 45 03.6 -59 41 04 | Eta Carinae | Eta Car
10 45 08.5 -59 52 04 | NGC 3372 | Carina Nebula
22 35 57.5 +33 57 36 | Stephan's Quintet | HCG 92
07 23 19.5 -73 27 16 | SMACS J0723.3-7327 | SMACS 0723 | SMACS J0723
00 37 41.1 -33 42 59 | ESO 350-40 | Cartwheel Galaxy | Cartwheel
05 38 42.4 -69 06 03 | 30 Doradus | Tarantula Nebula | Tarantula | NGC 2070 | 30 Dor
23 06 29.4 -05 02 29 | TRAPPIST-1
14 29 18.4 -03 26 40 | WASP-39
00 04 11.1 -47 21 38 | WASP-96
01 37 25.0 -45 40 40 | WASP-18
13 24 36.1 -51 30 16 | HIP 65426
05 47 17.1 -51 03 59 | Beta Pictoris | Beta Pic | HD 39060
23 23 24.0 +58 48 54 | Cassiopeia A | Cas A
03 33 36.4 -36 08 25 | NGC 1365
10 00 28.6 +02 12 21 | COSMOS | COSMOS field
03 32 39.0 -27 47 29 | HUDF | Hubble Ultra Deep Field | UDF
05 37 09.9 -80 28 09 | Pi Mensae | Pi Men | HD 39091
16 31 33.8 +30 08 47 | P330-E | P330E | GSC 02581-02323
05 35 28.0 -69 16 11 | SN 1987A
12 10 32.6 +39 24 21 | NGC 4151
13 58 16.3 -42 06 03 | HIP 68245 | Phi Centauri
06 48 11.5 -61 56 29 | Alpha Pictoris | Alpha Pic | HD 50241
13 20 48.3 -55 48 02 | HD 115842
05 21 57.0 -69 29 51 | LMC astrometric field | LMC calibration field
05 23 34.5 -69 45 22 | LMC | Large Magellanic Cloud
00 52 44.8 -72 49 43 | SMC | Small Magellanic Cloud
14 29 42.9 -62 40 46 | Proxima Centauri | Proxima Cen | Alpha Cen C
14 39 36.5 -60 50 02 | Alpha Centauri | Alpha Cen
18 36 56.3 +38 47 01 | Vega | Alpha Lyr
22 57 39.0 -29 37 20 | Fomalhaut | Alpha PsA
06 45 08.9 -16 42 58 | Sirius | Alpha CMa
05 55 10.3 +07 24 25 | Betelgeuse | Alpha Ori
02 31 49.1 +89 15 51 | Polaris | Alpha UMi
17 57 48.5 +04 41 36 | Barnard's Star | GJ 699
23 07 28.7 +21 08 03 | HR 8799
20 45 09.5 -31 20 27 | AU Mic | AU Microscopii
11 01 51.9 -34 42 17 | TW Hya | TW Hydrae
04 31 38.4 +18 13 58 | HL Tau | HL Tauri
20 00 43.7 +22 42 39 | HD 189733
22 03 10.8 +18 53 04 | HD 209458
17 15 18.9 +04 57 50 | GJ 1214
11 30 14.5 +07 35 18 | K2-18
08 52 35.8 +28 19 51 | 55 Cnc | 55 Cancri | Rho1 Cnc
05 40 59.0 -02 27 30 | Horsehead Nebula | Barnard 33 | B 33
22 29 38.6 -20 50 14 | NGC 7293 | Helix Nebula | Helix
17 58 33.4 +66 38 00 | NGC 6543 | Cat's Eye Nebula
07 29 10.8 +20 54 42 | NGC 2392 | Eskimo Nebula
21 07 01.6 +42 14 10 | NGC 7027
17 13 44.2 -37 06 16 | NGC 6302 | Bug Nebula
06 31 55.0 +04 56 35 | NGC 2244 | Rosette Nebula
20 56 16.0 +31 43 00 | NGC 6992 | Veil Nebula
00 59 05.1 -72 10 37 | NGC 346
01 29 32.1 -73 33 38 | NGC 602
12 01 53.0 -18 52 10 | NGC 4038 | Antennae | Antennae Galaxies
00 47 33.1 -25 17 18 | NGC 253 | Sculptor Galaxy
13 25 27.6 -43 01 09 | Centaurus A | Cen A | NGC 5128
15 34 57.2 +23 30 11 | Arp 220
12 29 06.7 +02 03 09 | 3C 273
00 14 20.7 -30 24 00 | Abell 2744 | Pandora's Cluster
02 39 52.9 -01 34 37 | Abell 370
04 16 08.9 -24 04 29 | MACS J0416.1-2403 | MACS 0416
06 58 37.9 -55 57 00 | Bullet Cluster | 1E 0657-558
03 32 28.0 -27 48 30 | CDFS | GOODS-S | Chandra Deep Field South
12 36 49.4 +62 12 58 | HDF-N | GOODS-N | Hubble Deep Field
14 19 18.0 +52 49 30 | EGS | Extended Groth Strip
02 17 37.5 -05 12 00 | UDS
00 24 05.4 -72 04 53 | 47 Tucanae | 47 Tuc | NGC 104
13 26 47.3 -47 28 46 | Omega Centauri | Omega Cen | NGC 5139
17 45 40.0 -29 00 28 | Sgr A* | Galactic Centre | Galactic Center
20 34 52.3 +60 09 14 | NGC 6946 | Fireworks Galaxy
03 46 48.5 +68 05 46 | IC 342
03 19 41.1 -19 24 41 | NGC 1300
03 19 48.2 +41 30 42 | NGC 1275 | Perseus A
23 03 15.6 +08 52 26 | NGC 7469
10 23 58.1 -57 45 49 | Westerlund 2
11 15 07.3 -61 15 39 | NGC 3603
04 39 53.9 +26 03 10 | L1527 | IRAS 04368+2557
16 25 35.1 -23 26 49 | Rho Ophiuchi | Rho Oph
03 43 56.8 +32 00 50 | HH 211
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A name and where it is: right ascension and declination in deg, ICRS."""

    name: str
    ra: float
    dec: float


def normal(name: str) -> str:
    """The name without case, spaces, punctuation and leading zeros: "Messier 057", "M-57" and "m57" are one."""
    spelled = "".join(
        unicodedata.name(letter, "").removeprefix("GREEK SMALL LETTER ") if "α" <= letter <= "ω" else letter
        for letter in unicodedata.normalize("NFKC", name).lower()
    )
    plain = re.sub(r"[^0-9a-z+*]", "", spelled.lower()).replace("messier", "m")
    return re.sub(r"(?<=[a-z])0+(?=[0-9])", "", plain)


def read(table: str) -> list[tuple[Target, list[str]]]:
    """The targets of a table, each with its aliases."""
    found = []
    for line in table.strip().splitlines():
        position, name, *aliases = (part.strip() for part in line.split("|"))
        h, m, s, d, arcmin, arcsec = position.split()
        degrees = abs(int(d)) + int(arcmin) / 60 + float(arcsec) / 3600
        ra = 15 * (int(h) + int(m) / 60 + float(s) / 3600)
        found.append((Target(name, ra, -degrees if d.startswith("-") else degrees), aliases))
    return found


LISTED = read(MESSIER) + read(OTHERS)
BY_NAME = {normal(name): target for target, aliases in LISTED for name in (target.name, *aliases)}


def lookup(name: str) -> Target | None:
    """The target of that name or alias; case, spaces and punctuation do not matter. None when it is not listed."""
    return BY_NAME.get(normal(name))


def names() -> list[str]:
    """Every name and alias in the list, as an astronomer writes it."""
    return [name for target, aliases in LISTED for name in (target.name, *aliases)]
