"""EDPCNN: a convolutional network whose output map a star-shaped snake cuts out by dynamic programming."""

from __future__ import annotations

import torch
from monai.networks.nets import BasicUNet
from monai.transforms.utils import get_largest_connected_component_mask
from monai.utils import convert_to_dst_type, convert_to_tensor
from torch import Tensor, nn

from monai_lsext.networks.layers.dp_snake import minimal_closed_contour
from monai_lsext.networks.layers.end_padding import cropped, padded
from monai_lsext.networks.layers.star_pattern import StarPattern, smooth_contour

__all__ = ["EDPCNN", "LOCALISERS"]

LOCALISERS = ("none", "detached", "joint")
_LIMIT_PX = 16.0  # distances are cut there, and an image without an object is -16 everywhere


class EDPCNN(nn.Module):
    """One star-shaped object per image: image -> backbone -> map -> star pattern -> optimal closed contour.

    The backbone gives a map that is high inside the object, and the logit of a localiser that finds the centre
    when none is given. Around the centre, ``cost[n, m]`` is the difference of the map across contour point m of
    line n; the snake is the closed contour of least total cost under a jump limit, smoothed along the lines.

    In eval mode ``forward`` returns the signed distance to the contour in pixels, so that ``> 0`` is the mask;
    its sigmoid is an anti-aliased mask. In training mode, the maps themselves, for
    :class:`monai_lsext.engines.SyntheticGradientTrainer`.

    Args:
        backbone: any 2D network with two output channels, the map and the localiser's logit, and an output as
            large as its input; with ``localiser="none"`` one channel will do. Default MONAI's BasicUNet for one
            input channel.
        num_lines: N, radial lines, >= 3, default 50.
        num_points: M, contour points on a line, >= 1, default 65.
        max_jump: how many points neighbouring lines may differ, >= 0, default 2.
        smoothing: lines in the moving average of the contour, odd, 1 .. N, default 5; 1 does not smooth.
        radius_px: length of a line in pixels, > 0, default 65.
        localiser: ``none``: a centre must be given; ``detached``: the localiser's loss trains nothing but the
            localiser's own weights in the last layer; ``joint`` (default): it trains the whole backbone.
        dropout: probability, 0 .. 1, default 0; when > 0 it is set in all dropout layers of the backbone.
        divisor: images are padded to a multiple of it, by replication, and the maps cropped, >= 1, default 16
            (four halvings).

    Shape:
        image [B, C, H, W] of any size; centre [B, 2] in pixels, in the order of the spatial axes, inside the
        image -> eval [B, 1, H, W], -16 .. 16, -16 everywhere for an image where no centre is found; training
        [B, 2, H, W] (or what the backbone gives when ``localiser="none"``): map, localiser logit.

    Raises:
        ValueError: for an argument out of range; without a centre when ``localiser="none"``; for a centre outside
            the image, a map that is not finite, a backbone with other channels, or, in training, with
            ``localiser="detached"`` when the backbone's last layer is not a convolution.
        RuntimeError: when traced.

    Note:
        The paper takes the centre from the truth; the localiser is ours. A centre is the centre of mass of the
        largest connected region where the localiser's probability exceeds 0.5: unlike a mean weighted by
        probability it is not drawn away by a second object. That and the window in which the contour is drawn
        depend on the data, so the whole cannot be traced: export ``backbone``, from which the rest follows.

    Reference:
        Nguyen & Ray, "End-to-end learning of convolutional neural net and dynamic programming for left
        ventricle segmentation" (EDPCNN), 2019, Figure 1, Equations 1 and 2.
    """

    def __init__(
        self,
        backbone: nn.Module | None = None,
        num_lines: int = 50,
        num_points: int = 65,
        max_jump: int = 2,
        smoothing: int = 5,
        radius_px: float = 65.0,
        localiser: str = "joint",
        dropout: float = 0.0,
        divisor: int = 16,
    ) -> None:
        super().__init__()
        self.pattern = StarPattern(num_lines, num_points, radius_px)
        if max_jump < 0:
            raise ValueError(f"`max_jump` must be >= 0, got {max_jump}")
        if smoothing % 2 == 0 or not 1 <= smoothing <= num_lines:
            raise ValueError(f"`smoothing` must be odd and in 1 .. {num_lines}, got {smoothing}")
        if localiser not in LOCALISERS:
            raise ValueError(f"`localiser` must be one of {list(LOCALISERS)}, got {localiser!r}")
        if divisor < 1:
            raise ValueError(f"`divisor` must be >= 1, got {divisor}")
        self.max_jump = max_jump
        self.smoothing = smoothing
        self.localiser = localiser
        self.divisor = divisor
        self.backbone = BasicUNet(2, 1, 2) if backbone is None else backbone
        self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time on a CPU
        _set_dropout(self.backbone, dropout)

    def forward(self, image: Tensor, centre: Tensor | None = None) -> Tensor:
        """Signed distance to the contour; in training mode the maps (a ``centre`` is then not used)."""
        if torch.jit.is_tracing():
            raise RuntimeError("EDPCNN cannot be traced, its steps depend on the data: trace its `backbone`")
        if not self.training and centre is None and self.localiser == "none":
            raise ValueError("`centre` must be given when `localiser` is 'none', got None")
        maps = self.maps(convert_to_tensor(image, track_meta=False))
        if self.training:
            return maps
        found = torch.ones(len(maps), dtype=torch.bool, device=maps.device)
        if centre is None:
            centre, found = self.locate(maps[:, 1:2])
        else:
            centre = convert_to_tensor(centre, track_meta=False).to(maps.device)
            if centre.shape != (len(maps), 2):
                raise ValueError(f"`centre` must have shape [{len(maps)}, 2], got {tuple(centre.shape)}")
        distance = maps.new_full((len(maps), 1, *maps.shape[2:]), -_LIMIT_PX, dtype=torch.float32)
        if found.any():
            distance[found] = self.cut_out(maps[found, :1], centre[found]).to(distance)
        return convert_to_dst_type(distance, image, dtype=distance.dtype)[0]

    @property
    def allowed_channels(self) -> tuple[int, ...]:
        """Numbers of channels that the backbone may give."""
        return (1, 2) if self.localiser == "none" else (2,)

    def maps(self, image: Tensor) -> Tensor:
        """The backbone's output: the map and the localiser's logit, [B, 2, H, W]."""
        large = self._large(image)
        if self.localiser == "detached" and self.training:
            maps = _with_detached_localiser(self.backbone, large)
        else:
            maps = self.backbone(large)
        return self._checked(maps, large, image)

    def _large(self, image: Tensor) -> Tensor:
        """What the backbone sees: at a single bottom pixel an instance normalisation would have no variance."""
        if image.ndim != 4:
            raise ValueError(f"`image` must have shape [B, C, H, W], got {tuple(image.shape)}")
        return padded(image, self.divisor, 2 * self.divisor).contiguous(memory_format=torch.channels_last)

    def _checked(self, maps: Tensor, large: Tensor, image: Tensor) -> Tensor:
        """The backbone's maps of the ``large`` image, where the ``image`` itself lies."""
        allowed = self.allowed_channels
        if maps.shape[1] not in allowed or maps.shape[2:] != large.shape[2:]:
            raise ValueError(
                f"`backbone` must give {allowed[-1]} channel(s) of its input's size {tuple(large.shape[2:])}, "
                f"got {tuple(maps.shape[1:])}"
            )
        maps = cropped(maps, image)
        finite = maps.isfinite().flatten(1).all(1)
        if not finite.all():
            raise ValueError(f"the map of item {int((~finite).nonzero()[0])} is not finite: NaN in image or weights?")
        return maps

    @torch.no_grad()
    def locate(self, logit: Tensor) -> tuple[Tensor, Tensor]:
        """Centre of mass [B, 2] of the largest region where ``logit`` [B, 1, H, W] > 0, and whether there is one."""
        centres, found = logit.new_zeros((len(logit), 2), dtype=torch.float32), (logit > 0).flatten(1).any(1)
        for item in found.nonzero()[:, 0]:
            region = get_largest_connected_component_mask(logit[item, 0] > 0)
            centres[item] = region.nonzero().float().mean(0)
        return centres, found

    def cut_out(self, score: Tensor, centre: Tensor) -> Tensor:
        """Signed distance [B, 1, H, W] to the snake on the map ``score`` [B, 1, H, W] around ``centre`` [B, 2]."""
        index, _ = minimal_closed_contour(self.pattern.cost(score, centre), self.max_jump)
        contour = smooth_contour(index, self.smoothing)
        return self.pattern.rasterise(contour, centre, score.shape[2:], limit_px=_LIMIT_PX)


def _with_detached_localiser(backbone: nn.Module, image: Tensor) -> Tensor:
    """The backbone's output, where channel 1 sends its gradient no further back than to the last convolution."""
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    last: list[Tensor] = []

    def cut(head: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        localiser = head.forward(inputs[0].detach())[:, 1:]
        last.append(torch.cat([output[:, :1], localiser], dim=1))
        return last[0]

    handle = convolutions[-1].register_forward_hook(cut) if convolutions else None
    try:
        output = backbone(image)
    finally:
        if handle is not None:
            handle.remove()
    if not last or output is not last[0]:
        raise ValueError("`localiser` 'detached' needs a backbone whose last layer is a convolution, try 'joint'")
    return output


def _set_dropout(backbone: nn.Module, probability: float) -> None:
    if not 0 <= probability <= 1:
        raise ValueError(f"`dropout` must be in 0 .. 1, got {probability}")
    layers = [m for m in backbone.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    if probability > 0 and not layers:
        raise ValueError(f"`dropout` needs a backbone with dropout layers, got {probability} and none")
    for layer in layers if probability > 0 else ():
        layer.p = probability
