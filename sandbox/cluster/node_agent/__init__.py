"""Three nodes whose pods are processes of this machine: what a kubelet would do for the operator's StatefulSets."""

from sandbox.cluster.node_agent.agent import NodeAgent

__all__ = ["NodeAgent"]
