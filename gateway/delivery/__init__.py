"""Delivery: work found in the queue is sent, its outcome recorded, and tried again until it is done or given up."""

from gateway.delivery.service import DeliveryService

__all__ = ["DeliveryService"]
