"""What the demo's telescopes look at: frames on the sky, scenes of stars and glow, spectra and light curves."""
