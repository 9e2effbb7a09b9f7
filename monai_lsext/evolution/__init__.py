"""Classical level sets: composable energies and the ready-made methods, batched, 2D and 3D, differentiable."""

from .chan_vese import chan_vese
from .drlse import drlse
from .energies import (
    Area,
    DistanceRegularisation,
    EnergyTerm,
    Flow,
    Length,
    ProbabilityFit,
    RegionFit,
    RegionMeans,
    edge_indicator,
)
from .evolve import Evolution, Observation, evolve
from .grid import ArctanStep, Block, CosineStep, Grid
from .legendre import LegendreFit, legendre_level_set
from .local_intensity_clustering import LocalIntensityClustering, local_intensity_clustering
from .otsu_drlse import OtsuDRLSE
from .refiner import LevelSetRefiner
from .shape_prior import Alignment, ShapePrior, ShapeState, disc_prior

__all__ = [
    "Alignment",
    "ArctanStep",
    "Area",
    "Block",
    "CosineStep",
    "DistanceRegularisation",
    "EnergyTerm",
    "Evolution",
    "Flow",
    "Grid",
    "LegendreFit",
    "Length",
    "LevelSetRefiner",
    "LocalIntensityClustering",
    "Observation",
    "OtsuDRLSE",
    "ProbabilityFit",
    "RegionFit",
    "RegionMeans",
    "ShapePrior",
    "ShapeState",
    "chan_vese",
    "disc_prior",
    "drlse",
    "edge_indicator",
    "evolve",
    "legendre_level_set",
    "local_intensity_clustering",
]
