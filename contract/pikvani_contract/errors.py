"""The two error families of the contract. Every message says what happened, to what, and what to do next."""


class ContractError(Exception):
    """Something does not keep the promise written in this package."""


class WireError(ContractError):
    """Bytes from the other side that are not a message of ours: malformed, oversize, hostile or too new."""
