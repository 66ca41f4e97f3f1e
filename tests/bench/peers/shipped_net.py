"""The shipped network's architecture, with weights as they are drawn at first: time does not depend on them."""

from pikvani_models.joined import JoinedNet
from pikvani_models.network import LeafNet

SHARED_BLOCKS = 3  # which every training leaves as ImageNet made them, `Schedule.frozen_blocks`
LENT_BLOCKS = 11  # which are the same in both lenders, as one is ImageNet's body
LEFT_OUT = (14,)  # of the trained lender, so that a file stays below 10 MB


def shipped_net(classes: int) -> JoinedNet:
    """A long training's network and two lenders; what is the same in several runs once."""
    first, trained, untouched = LeafNet(classes, 1), LeafNet(classes, 1, without=LEFT_OUT), LeafNet(classes, 1)
    for one, other, count in ((first, trained, SHARED_BLOCKS), (trained, untouched, LENT_BLOCKS)):
        other.stem.load_state_dict(one.stem.state_dict())
        for a, b in zip(one.blocks[:count], other.blocks, strict=False):
            b.load_state_dict(a.state_dict())
    return JoinedNet(first, [trained, untouched]).eval()
