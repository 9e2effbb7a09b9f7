"""The checks of :func:`monai_lsext.bundle.verify_bundle`, by theme; each yields a sentence for every fault."""
