"""A real Kubernetes control plane, the operator, and the agent that runs its pods as processes."""
