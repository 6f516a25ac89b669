"""JWST: programs, modes, exposures and stage-3 products by the rules of the science calibration pipeline.

Sources: JWST pipeline documentation, "Stages of processing", "File naming schemes", "Product types";
MAST documentation, "Minimum Recommended Products".
"""
