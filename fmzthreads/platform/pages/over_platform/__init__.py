"""The pages' ports over the platform's own parts."""

from .administration import AdministrationOfPlatform
from .service import ServiceOfPlatform

__all__ = ["AdministrationOfPlatform", "ServiceOfPlatform"]
