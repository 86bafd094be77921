"""Metrics of the CloudWatch, Redis and Kafka exporters for the services' data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sandbox.metrics.capacity_exporters import filling_share
from sandbox.metrics.exporters import ClusterView
from sandbox.metrics.faults import FaultAges, Faults

WRITER, READER = "orion-aurora-0", "orion-aurora-1"
DATABASE_INSTANCES = (WRITER, READER)
DATABASE_CPU_PER_CENT = 35.0
BUSY_DATABASE_CPU_PER_CENT = 92.0
LOCAL_STORAGE_BYTES = 80.0 * 2**30
READER_LAG_MILLISECONDS = 18.0
LAGGING_READER_MILLISECONDS = 4_000.0
REDIS_BYTES = 2.0**30
REDIS_SHARE = 0.4
FULL_REDIS_SHARE = 0.95
FILLING_REDIS_SHARE = 0.65
FILLING_REDIS_MOST = 0.88
FILLING_REDIS_PER_SECOND = 0.00005
"""Slow enough not to be full within an hour, fast enough to be within four."""
BROKERS = ("1", "2", "3")
TOPIC_PARTITIONS = 3
LAG_MESSAGES = 12.0
LAG_MORE_PER_SECOND = 4.0
MOST_LAG_MESSAGES = 3_000.0
SLOW_LAG_PER_SECOND = 10_000.0 / 3600
"""Messages of a partition: three together pass what KafkaConsumerLag allows within half an hour."""
LAGS_MESSAGES = {"consumers lag": 8_000.0, "consumers lag far": 60_000.0}
"""Messages a partition while a fault is on: three partitions together pass the limit of 10,000 or 100,000."""


class CloudWatch(Collector):
    """Says what the CloudWatch exporter says of the databases: a writer and a reader. `now` is a clock in seconds."""

    def __init__(self, faults: Faults, now: Callable[[], float] = time.monotonic) -> None:
        self._faults = faults
        self._ages = FaultAges(faults, now)

    def collect(self) -> Iterator[Metric]:
        """Yield the CPU and the local storage of every instance, and the lag of the reader."""
        labels = ["dbinstance_identifier"]
        cpu = GaugeMetricFamily("aws_rds_cpuutilization_average", "CPU in per cent.", labels=labels)
        for instance in DATABASE_INSTANCES:
            busy = self._faults.hits("database is busy", dbinstance_identifier=instance)
            cpu.add_metric([instance], BUSY_DATABASE_CPU_PER_CENT if busy else DATABASE_CPU_PER_CENT)
        lag = GaugeMetricFamily("aws_rds_aurora_replica_lag_average", "Lag in milliseconds.", labels=labels)
        lags = self._faults.hits("reader lags", dbinstance_identifier=READER)
        lag.add_metric([READER], LAGGING_READER_MILLISECONDS if lags else READER_LAG_MILLISECONDS)
        storage = GaugeMetricFamily("aws_rds_free_local_storage_average", "Free bytes.", labels=labels)
        for instance in DATABASE_INSTANCES:
            seconds = self._ages.seconds("database's storage fills up", dbinstance_identifier=instance)
            storage.add_metric([instance], filling_share(seconds) * LOCAL_STORAGE_BYTES)
        yield from (cpu, lag, storage)


class Redis(Collector):
    """Says what redis_exporter says of one Redis. `now` is a clock in seconds."""

    def __init__(self, faults: Faults, now: Callable[[], float] = time.monotonic) -> None:
        self._faults = faults
        self._ages = FaultAges(faults, now)

    def collect(self) -> Iterator[Metric]:
        """Yield its memory, the most that it may have, and what it does then: nothing of it while it is down."""
        is_down = bool(self._faults.active("redis is down"))
        up = GaugeMetricFamily("redis_up", "Whether Redis answers.")
        up.add_metric([], float(not is_down))
        yield up
        if is_down:
            return
        used = GaugeMetricFamily("redis_memory_used_bytes", "Memory in use.")
        most = GaugeMetricFamily("redis_memory_max_bytes", "maxmemory.")
        information = GaugeMetricFamily("redis_instance_info", "About this Redis.", labels=["maxmemory_policy"])
        evicted = CounterMetricFamily("redis_evicted_keys", "Keys evicted.")
        used.add_metric([], self._share() * REDIS_BYTES)
        most.add_metric([], REDIS_BYTES)
        information.add_metric(["noeviction"], 1)
        evicted.add_metric([], 0)
        yield from (used, most, information, evicted)

    def _share(self) -> float:
        seconds = self._ages.seconds("redis fills up")
        if self._faults.active("redis is full"):
            return FULL_REDIS_SHARE
        if seconds is None:
            return REDIS_SHARE
        return min(FILLING_REDIS_MOST, FILLING_REDIS_SHARE + FILLING_REDIS_PER_SECOND * seconds)


class Kafka(Collector):
    """Says what kafka_exporter says of the consumer groups: one per deployment, named as it is.

    `now` is a clock in seconds.
    """

    def __init__(self, cluster: ClusterView, faults: Faults, now: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._faults = faults
        self._ages = FaultAges(faults, now)

    def collect(self) -> Iterator[Metric]:
        """Yield the brokers, and the lag of each partition of each group."""
        brokers = GaugeMetricFamily("kafka_broker_info", "The brokers of the cluster.", labels=["id"])
        for broker in BROKERS[bool(self._faults.active("broker is gone")) :]:
            brokers.add_metric([broker], 1)
        yield brokers
        labels = ["consumergroup", "topic", "partition"]
        lag = GaugeMetricFamily("kafka_consumergroup_lag", "Messages still to read.", labels=labels)
        for deployment in self._cluster.deployments():
            found = [lag for kind, lag in LAGS_MESSAGES.items() if self._faults.hits(kind, service=deployment.service)]
            seconds = self._ages.seconds("consumers fall behind", service=deployment.service)
            if seconds is not None:
                found.append(min(LAG_MESSAGES + LAG_MORE_PER_SECOND * seconds, MOST_LAG_MESSAGES))
            slow = self._ages.seconds("consumers are too slow", service=deployment.service)
            if slow is not None:
                found.append(LAG_MESSAGES + SLOW_LAG_PER_SECOND * slow)
            for partition in range(TOPIC_PARTITIONS):
                where = [deployment.name, f"{deployment.service}-events", str(partition)]
                lag.add_metric(where, max(found, default=LAG_MESSAGES))
        yield lag
