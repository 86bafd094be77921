"""Tells from a cluster's description whether it runs EKS Auto Mode."""

from __future__ import annotations

import pulumi_aws as aws


def runs_itself(cluster: aws.eks.GetClusterResult) -> bool:
    """Say whether it is an Auto Mode cluster, which has storage, pod identity and load balancers of its own."""
    storage = [block.enabled for one in cluster.storage_configs or () for block in one.block_storages]
    return any(one.enabled for one in cluster.compute_configs or ()) and any(storage)
