"""The demo archive: synthetic observations of famous targets in MAST's shapes, so that everything can be tried.

Names, product lists, rights and headers follow the missions' rules; pixels are drawn, never measured, and
every FITS file says so. The same code gives the same bytes on every run: no clock, seeds from names.
`build` makes the directory, `sky` draws what the telescopes look at, `jwst`, `hst` and `tess` say which
files an observation has, `seed` makes the rows of the 407-file basket.
"""
