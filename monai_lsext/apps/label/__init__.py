"""MONAI Label app that serves every bundle; needs the environment of ``make label``."""
