"""Spreading the calls of one service over its replicas; `BalancedTransport` over `Connections` is what others use."""

from shared.service.balancing.connections import Connections
from shared.service.balancing.transport import BalancedTransport, Observe

__all__ = ["BalancedTransport", "Connections", "Observe"]
