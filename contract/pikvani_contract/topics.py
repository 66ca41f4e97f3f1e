"""Every MQTT topic of the product. No topic string stands anywhere else."""

from __future__ import annotations

import re

from pikvani_contract.errors import ContractError

ROOT = "pikvani/v1"
DEVICE_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,47}")

UP_BATCH = "up/batch"
UP_STATUS = "up/status"
UP_ASK = "up/ask"
UP_IDENTITY = "up/identity"
DOWN_RECEIPT = "down/receipt"
DOWN_COMMAND = "down/command"
DOWN_BLOCK = "down/block"
DOWN_IDENTITY = "down/identity"
UP = (UP_BATCH, UP_STATUS, UP_ASK, UP_IDENTITY)
DOWN = (DOWN_RECEIPT, DOWN_COMMAND, DOWN_BLOCK, DOWN_IDENTITY)


def check_device_id(device_id: str) -> str:
    """Give `device_id` back if it may stand in a topic.

    Raises:
        ContractError: not 3 to 48 of a-z, 0-9 and hyphen, or begins with a hyphen.
    """
    if not DEVICE_ID.fullmatch(device_id):
        raise ContractError(
            f"device id {device_id[:60]!r} cannot be used: take 3 to 48 of a-z, 0-9 and '-', not beginning with '-'"
        )
    return device_id


def device(device_id: str, leaf: str) -> str:
    """The topic of one device: `leaf` is one of the constants above."""
    return f"{ROOT}/d/{check_device_id(device_id)}/{leaf}"


def every_device(leaf: str, share: str | None = None) -> str:
    """The filter that matches `leaf` of every device, as a shared subscription when `share` names a group."""
    topic_filter = f"{ROOT}/d/+/{leaf}"
    return f"$share/{share}/{topic_filter}" if share else topic_filter


def device_of(topic: str) -> str:
    """The device id in a device's topic.

    Raises:
        ContractError: the topic is not one of ours.
    """
    parts = topic.split("/", 4)
    if len(parts) != 5 or "/".join(parts[:3]) != f"{ROOT}/d" or parts[4] not in UP + DOWN:
        raise ContractError(f"topic {topic[:120]!r} is not a device topic of {ROOT}")
    return check_device_id(parts[3])
