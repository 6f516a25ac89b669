"""HST: associations of WFC3, ACS, STIS and COS and an exposure of WFPC2, with the files each of them has.

Sources: HST data handbooks, "Data products"; names are `ipppssoot` (instrument, program, set, observation).
"""
