"""Lambda function: code, role, log, alarm, network; of one that a queue feeds, queue, alarms and feeds too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from alerting.settings import Settings
from components.function_alarms import ErrorsAlarm, QueueAlarms, make_errors_alarm, make_queue_alarms
from components.function_network import FunctionNetwork, make_function_network, network_statements
from components.function_package import FunctionPackage
from components.function_queue import Feed, make_function_queue
from components.naming import FUNCTION_RUNTIME, FUNCTION_TIMEOUT_SECONDS, type_token
from components.policies import Statement, policy_document, trust_policy
from components.private_bucket import PrivateBucket
from orion_common.names import Variable

MEMORY_MEGABYTES = 256
BATCH_SIZE = 1
"""A message may hold 100 alerts, an invocation's work. Others beside it would wait for it, and fail with it."""
LEAST_CONCURRENCY = 2
"""The least that a mapping allows, and enough for repairs: one is claimed and sent in well under a second."""
LOG_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """Plain data of a function.

    `function` is the name in AWS of the function, its queue and its role; `policy` that of the role's policy. `title`
    is what people call the function. `asks_alertmanager` puts the function into the network in which it reaches
    Alertmanager, if the settings name one; the load balancer before Alertmanager lets one function in. `concurrency` is
    how many messages of its queue are handled at once.
    """

    settings: Settings
    function: str
    title: str
    description: str
    role_description: str
    policy: str
    handler: str
    package: FunctionPackage
    errors_alarm: ErrorsAlarm
    asks_alertmanager: bool = False
    concurrency: int = LEAST_CONCURRENCY
    memory_megabytes: int = MEMORY_MEGABYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionArgs:
    """Inputs of a function: its spec, and outputs of other components.

    `statements` are what its role may do beside taking messages and writing its log. `namespace` is Alertmanager's,
    for a function that asks it; `network` is that of another such function, which it then shares. `queue_variable`
    names the environment variable that has the address of its own queue.
    """

    spec: FunctionSpec
    code: PrivateBucket
    key_arn: pulumi.Input[str]
    alarm_topic_arn: pulumi.Input[str]
    statements: Sequence[Statement]
    environment: Mapping[Variable, pulumi.Input[str]]
    feeds: Sequence[Feed] = ()
    namespace: pulumi.Input[str] | None = None
    network: FunctionNetwork | None = None
    queue_variable: Variable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFunction:
    """Outputs of a function and its queue."""

    function_arn: pulumi.Output[str]
    queue_url: pulumi.Output[str]
    queue_arn: pulumi.Output[str]
    network: FunctionNetwork | None


class Function(pulumi.ComponentResource):
    """A function and everything that is its own. Each of the platform's functions is a subclass, with its own type."""

    def __init__(self, type_name: str, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(type_token(type_name), name, {}, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)

    def make_function(self, args: FunctionArgs, alarms: QueueAlarms) -> MadeFunction:
        """Make the function, its queue with these alarms, and all else that it needs."""
        spec = args.spec
        queue = make_function_queue(
            self._name, spec.function, args.feeds, settings=spec.settings, key_arn=args.key_arn, parent=self
        )
        variable = args.queue_variable
        environment = {} if variable is None else {variable: queue.queue.url}
        function, network = self._with_role(args, queue.queue, environment)
        aws.lambda_.EventSourceMapping(
            f"{self._name}-queue-to-function",
            event_source_arn=queue.queue.arn,
            function_name=function.arn,
            batch_size=BATCH_SIZE,
            function_response_types=["ReportBatchItemFailures"],
            # Reserved concurrency would throttle messages towards the dead-letter queue instead.
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=spec.concurrency),
            opts=self._child,
        )
        make_queue_alarms(self._name, spec.function, alarms, topic_arn=args.alarm_topic_arn, opts=self._child)
        return MadeFunction(
            function_arn=function.arn, queue_url=queue.queue.url, queue_arn=queue.queue.arn, network=network
        )

    def make_invoked_function(self, args: FunctionArgs) -> aws.lambda_.Function:
        """Make a function that has no queue: whoever invokes it waits for its answer."""
        function, _ = self._with_role(args, None, {})
        return function

    def _with_role(
        self,
        args: FunctionArgs,
        queue: aws.sqs.Queue | None,
        environment: Mapping[Variable, pulumi.Input[str]],
    ) -> tuple[aws.lambda_.Function, FunctionNetwork | None]:
        """Make the function, its log, its role, the alarm on errors, and where it asks Alertmanager, its network."""
        log_group = aws.cloudwatch.LogGroup(
            f"{self._name}-logs",
            name=f"/aws/lambda/{args.spec.function}",
            retention_in_days=LOG_DAYS,
            kms_key_id=args.key_arn,
            opts=self._child,
        )
        role, role_policy = self._role(args, log_group, queue)
        network = args.network or self._network(args, role_policy)
        whole = {**args.environment, **environment}
        function = self._function(args, whole, network, role=role, role_policy=role_policy, log_group=log_group)
        make_errors_alarm(
            self._name,
            args.spec.function,
            args.spec.errors_alarm,
            topic_arn=args.alarm_topic_arn,
            opts=self._child,
        )
        return function, network

    def _role(
        self, args: FunctionArgs, log_group: aws.cloudwatch.LogGroup, queue: aws.sqs.Queue | None
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        spec = args.spec
        role = aws.iam.Role(
            f"{self._name}-role",
            name=spec.function,
            description=spec.role_description,
            assume_role_policy=trust_policy("lambda.amazonaws.com"),
            opts=self._child,
        )
        policy = policy_document(
            Statement(
                sid="WriteLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[pulumi.Output.format("{0}:*", log_group.arn)],
            ),
            *(() if queue is None else (_take_messages(queue),)),
            *args.statements,
            Statement(sid="UseTheKey", actions=["kms:GenerateDataKey*", "kms:Decrypt"], resources=[args.key_arn]),
            *(network_statements(spec.settings, spec.function) if spec.asks_alertmanager else ()),
        )
        role_policy = aws.iam.RolePolicy(
            f"{self._name}-role-policy", name=spec.policy, role=role.name, policy=policy, opts=self._child
        )
        return role, role_policy

    def _function(
        self,
        args: FunctionArgs,
        variables: Mapping[Variable, pulumi.Input[str]],
        network: FunctionNetwork | None,
        *,
        role: aws.iam.Role,
        role_policy: aws.iam.RolePolicy,
        log_group: aws.cloudwatch.LogGroup,
    ) -> aws.lambda_.Function:
        spec = args.spec
        environment = {variable.value: value for variable, value in variables.items()}
        if network is not None:
            environment[Variable.ALERTMANAGER_API.value] = network.alertmanager_api
        # Not BucketObject: that always sends the ACL `private`, and the bucket's ACLs are off.
        zip_object = aws.s3.BucketObjectv2(
            f"{self._name}-zip",
            bucket=args.code.name,
            key=f"{spec.function}.zip",
            source=pulumi.FileAsset(str(spec.package.path)),
            source_hash=spec.package.sha256,
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.code.before_objects),
        )
        return aws.lambda_.Function(
            f"{self._name}-function",
            name=spec.function,
            description=spec.description,
            runtime=FUNCTION_RUNTIME,
            architectures=["arm64"],
            handler=spec.handler,
            role=role.arn,
            timeout=FUNCTION_TIMEOUT_SECONDS,
            memory_size=spec.memory_megabytes,
            s3_bucket=zip_object.bucket,
            s3_key=zip_object.key,
            s3_object_version=zip_object.version_id,
            source_code_hash=spec.package.source_code_hash,
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=log_group.name),
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=environment),
            vpc_config=None if network is None else network.vpc_config,
            # A function that starts without its permissions fails its first messages.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role_policy]),
        )

    def _network(self, args: FunctionArgs, role_policy: aws.iam.RolePolicy) -> FunctionNetwork | None:
        if not args.spec.asks_alertmanager or args.namespace is None:
            return None
        return make_function_network(
            self._name,
            args.spec.function,
            title=args.spec.title,
            settings=args.spec.settings,
            namespace=args.namespace,
            role_policy=role_policy,
            parent=self,
        )


def _take_messages(queue: aws.sqs.Queue) -> Statement:
    return Statement(
        sid="TakeMessages",
        actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        resources=[queue.arn],
    )
