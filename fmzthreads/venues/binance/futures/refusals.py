"""Codes of Binance's futures, as its error-code pages list them; two families number some refusals differently."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ....errors import (
    ClockSkew,
    DuplicateOrder,
    FmzError,
    InsufficientFunds,
    InvalidOrder,
    OrderNotFound,
    VenueRejected,
    WouldTake,
)

__all__ = ["FUTURES_CODES", "WRONG_POSITION_SIDE"]

WRONG_POSITION_SIDE = "-4061"
"""The order does not fit the account's position mode."""

_INVALID = (
    -2020, -2021, -2022, -2024, -2025, -2026, -2027, -2028,
    *range(-4015, -4000), *range(-4024, -4020), -4006, -4007, -4016, -4023, -4024, -4028, -4029, -4030, -4031, -4045, -4055,
    -4060, -4061, -4062, -4082, -4117, -4118, -4120, -4131, -4135, -4137, -4138, -4142, -4164, -4183, -4184,
    -4112, -4113, -4151, -4152, -4154, -4155, -4178, -4196, -4198, -4199,
    -5021, -5024, -5025, -5026, -5037, -5038, -5039, -5040, -5041, -5043,
)  # fmt: skip
_REJECTED = (
    -2023, -4046, -4047, -4048, -4059, -4067, -4068, -4087, -4088, -4089, -4090, -4109, -4140, -4141, -4150, -4161, -4168,
    -4192, -4197, -4400, -4531, -5027,
)  # fmt: skip

FUTURES_CODES: Mapping[int, type[FmzError]] = MappingProxyType(
    {
        **dict.fromkeys(_INVALID, InvalidOrder),
        **dict.fromkeys(_REJECTED, VenueRejected),
        -2018: InsufficientFunds,
        -2019: InsufficientFunds,  # margin is insufficient
        -4050: InsufficientFunds,
        -4051: InsufficientFunds,
        -2011: OrderNotFound,
        -2013: OrderNotFound,
        -4116: DuplicateOrder,
        -4188: ClockSkew,  # outside of the matching engine's recvWindow
        -5022: WouldTake,
        -5028: ClockSkew,
    }
)
