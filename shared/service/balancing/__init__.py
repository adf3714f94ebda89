"""Spreading the calls of one service over its replicas; `BalancedTransport` is what others use."""

from shared.service.balancing.transport import BalancedTransport, Observe

__all__ = ["BalancedTransport", "Observe"]
