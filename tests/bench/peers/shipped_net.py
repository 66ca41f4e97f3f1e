"""The shipped network's architecture, with weights as they are drawn at first: time does not depend on them."""

from pikvani_models.network import LeafNet
from pikvani_models.pair import PairedNet

SHARED_BLOCKS = 3  # which training leaves as ImageNet made them, `Schedule.frozen_blocks`


def shipped_net(classes: int) -> PairedNet:
    """Two networks whose first blocks are the same and run once."""
    first, second = LeafNet(classes, 1), LeafNet(classes, 1)
    for own, other in zip((first.stem, *first.blocks[:SHARED_BLOCKS]), (second.stem, *second.blocks), strict=False):
        other.load_state_dict(own.state_dict())
    return PairedNet(first, second).eval()
