"""The proxy of tools/fault_proxy.py, by the name that tests know it by."""

from tools.fault_proxy import Fault, FaultProxy, Traffic

__all__ = ["Fault", "FaultProxy", "Traffic"]
