"""The front: answers for what moto has not, watches what it has, and lets everything else through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sandbox.clouds.aws.associations import Associations
from sandbox.clouds.aws.clients import Clients
from sandbox.clouds.aws.cluster_access import ClusterAccess
from sandbox.clouds.aws.commands import SystemsManager
from sandbox.clouds.aws.deployment_changes import DeploymentChanges
from sandbox.clouds.aws.function_urls import FunctionUrls
from sandbox.clouds.aws.identity import ClusterIdentities
from sandbox.clouds.aws.invocations import Invocations
from sandbox.clouds.aws.lambda_control_plane import Functions
from sandbox.clouds.aws.protocol import Answer, AwsError, Request, error_answer, json_answer, pass_on, read_request
from sandbox.clouds.aws.signature import check_signature, refused
from sandbox.clouds.aws.ssm_agent import Agent
from sandbox.clouds.aws.topics import Topics
from sandbox.credentials import Credentials
from sandbox.journal import Journal, Kind

SOURCE = "aws"
HEALTH = ("sandbox", "health")
"""The only page that takes no signature: it says nothing but that there is an answer."""
NO_CLUSTER = "apiVersion: v1\nkind: Config\n"


class Front:
    """A WSGI application before another one, moto's."""

    def __init__(
        self,
        moto: WSGIApplication,
        *,
        clients: Clients,
        credentials: Credentials,
        journal: Journal,
        cluster: tuple[str, ClusterIdentities] | None,
        kubectl: Path | None,
        vpc_id: str | None = None,
        function_runtime: str | None = None,
    ) -> None:
        """Answer what was signed with `credentials`, and refuse everything else.

        `cluster` is the name that EKS knows the sandbox's cluster by, and who signs for it; `kubectl` a binary.

        The cluster stands in the VPC `vpc_id`, or in the one that the account begins with.

        `function_runtime` is the address of what runs functions and serves their URLs.
        """
        self._cluster_vpc_id = vpc_id
        self._moto = moto
        self._clients = clients
        self._credentials = credentials
        self._journal = journal
        self._kubectl = kubectl
        self._identities = None if cluster is None else cluster[1]
        self._access = (
            None
            if cluster is None
            else ClusterAccess(
                cluster[1].describe(cluster[0]),
                region=clients.region,
                account_id=clients.account_id,
                vpc_id=self._vpc_id,
            )
        )
        self._systems_manager = SystemsManager(clients, self._agent, journal)
        self._associations = Associations(self._systems_manager, self._agent, journal)
        self.topics = Topics(journal)
        self._functions = Functions(region=clients.region, account_id=clients.account_id)
        self._function_urls = FunctionUrls(function_runtime)
        self._invocations = Invocations(function_runtime, credentials)
        self._changes = DeploymentChanges()
        self._agents: dict[str, Agent] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = read_request(environ)
        try:
            if request.path != HEALTH:
                check_signature(environ, self._credentials)
        except AwsError as error:
            self._note(request, error)
            return refused(environ, error).send(start_response)
        try:
            return self._carry_out(request, environ, start_response)
        finally:
            # Afterwards: a reader that has seen the count also sees the change.
            self._changes.note(request)

    def _carry_out(self, request: Request, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(request)
        except AwsError as error:
            self._note(request, error)
            answer = error_answer(error)
        if answer is not None:
            return answer.send(start_response)
        watch = self._watcher(request)
        if watch is None:
            return self._moto(environ, start_response)
        return watch(request, pass_on(self._moto, environ)).send(start_response)

    def _note(self, request: Request, error: AwsError) -> None:
        asked = request.target or f"{request.method} /{'/'.join(request.path)}"
        ids = {"service": request.service, "request": asked}
        self._journal.append(SOURCE, Kind.REQUEST_REFUSED, ids, code=error.code, reason=error.message)

    def stop(self) -> None:
        """End the commands that run."""
        with self._lock:
            agents = list(self._agents.values())
        for agent in agents:
            agent.stop()

    def _answer(self, request: Request) -> Answer | None:
        if request.path[:1] == ("sandbox",):
            return self._own(request)
        match request.service:
            case "ssm":
                return self._associations.answer(request) or self._systems_manager.answer(request)
            case "eks" if self._access is not None:
                return self._access.answer(request)
            case "lambda":
                self._functions.check(request)
                self._function_urls.check(request)
                return self._invocations.answer(request)
            case _:
                return None

    def _watcher(self, request: Request) -> Callable[[Request, Answer], Answer] | None:
        match request.service:
            case "sns":
                return self.topics.watch
            case "lambda":
                return self._watch_lambda
            case _:
                return None

    def _watch_lambda(self, request: Request, answer: Answer) -> Answer:
        return self._function_urls.watch(request, self._functions.watch(request, answer))

    def _own(self, request: Request) -> Answer:
        match request.method, request.path[1:]:
            case "GET", ("health",):
                return json_answer({"status": "ok"})
            case "GET", ("topics",):
                return json_answer(self.topics.messages())
            case "GET", ("topics", name):
                return json_answer(self.topics.messages().get(name, []))
            case "GET", ("commands",):
                return json_answer(self._systems_manager.commands())
            case "GET", ("deployment-changes",):
                return json_answer({"count": self._changes.count})
            case "GET", ("functions", name):
                return json_answer(self._functions.code(name))
            case "GET", ("function-urls",):
                return json_answer({"functions": self._function_urls.functions()})
            case "GET", ("function-urls", id_):
                return json_answer({"function": self._function_urls.function(id_)})
            case _:
                raise AwsError("NotFound", f"/{'/'.join(request.path)}", HTTPStatus.NOT_FOUND)

    def _agent(self, instance_id: str) -> Agent:
        with self._lock:
            if instance_id not in self._agents:
                self._agents[instance_id] = Agent(
                    instance_id,
                    kubectl=self._kubectl,
                    kubeconfig=lambda: self._kubeconfig(instance_id),
                    region=self._clients.region,
                )
            return self._agents[instance_id]

    def _kubeconfig(self, instance_id: str) -> str:
        """Return what an instance is to the cluster: what the access entry of its role says at this moment."""
        if self._identities is None or self._access is None:
            return NO_CLUSTER
        role_arn = self._role_of(instance_id)
        if role_arn is None:
            return self._identities.kubeconfig(instance_id, None)
        role = role_arn.rsplit("/", maxsplit=1)[-1]
        user = f"arn:aws:sts::{self._clients.account_id}:assumed-role/{role}/{instance_id}"
        return self._identities.kubeconfig(user, self._access.groups_of(role_arn))

    def _vpc_id(self) -> str:
        """Return the network that the cluster is said to stand in."""
        return self._cluster_vpc_id or self._clients.ec2.describe_vpcs()["Vpcs"][0].get("VpcId", "")

    def _role_of(self, instance_id: str) -> str | None:
        reservations = self._clients.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        profile_arn = reservations[0].get("Instances", [{}])[0].get("IamInstanceProfile", {}).get("Arn")
        if profile_arn is None:
            return None
        name = profile_arn.rsplit("/", maxsplit=1)[-1]
        roles = self._clients.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
        return roles[0]["Arn"] if roles else None
