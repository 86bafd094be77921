"""Build recipes of the external binaries: module, package and flags, and the versions on PATH that serve instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GO_MODULES = Path(__file__).parent / "go"
KUBERNETES_VERSION = "1.36.1"
PULUMI_VERSION = "3.259.0"
KUBERNETES_PROVIDER_VERSION = "4.34.2"
PROMETHEUS_VERSION = "3.16.0"
ALERTMANAGER_VERSION = "0.34.2"
ALERTMANAGER_MODULE = "github.com/prometheus/alertmanager"
KUBERNETES_PROVIDER_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
OPERATOR = "prometheus-operator"
OPERATOR_MODULE = "github.com/prometheus-operator/prometheus-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPath:
    """Accepts a binary on PATH: `arguments` print its version, which must be in `versions` (PEP 440)."""

    arguments: tuple[str, ...]
    versions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One binary. `module` is a folder below tools/go, `package` what is built in it; `./NAME` is our own source.

    `copy_module` names a module that is built from a copy, to which `extra_files` are added: for a module that embeds
    files which it is published without.
    """

    name: str
    module: str
    package: str
    tags: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    on_path: OnPath | None = None
    copy_module: str | None = None
    extra_files: tuple[str, ...] = ()

    @property
    def own_sources(self) -> tuple[Path, ...]:
        """The Go files of a program of our own, sorted; none of a program that a module brings."""
        if not self.package.startswith("./"):
            return ()
        return tuple(sorted((GO_MODULES / self.module / self.package).glob("*.go")))

    @property
    def ldflags(self) -> str:
        """The linker's flags: no symbol table, and the version that the program reports."""
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.variables)])


_KUBERNETES = (("k8s.io/component-base/version.gitVersion", f"v{KUBERNETES_VERSION}"),)
EMBEDDED_JSON = "-embed.json"
"""Ending of a file that a module embeds and that is made from the JSON file beside it."""
_PROVIDER_COMMAND = "cmd/pulumi-resource-kubernetes"
_WEB_PAGES = ("ui/app/dist/index.html", "ui/mantine-ui/dist/index.html")
_KUBERNETES_ON_PATH = OnPath(arguments=("--version",), versions=">=1.34,<1.38")
# Those that are deployed, and no others: rules and configuration are tested with these.
_PROMETHEUS_ON_PATH = OnPath(arguments=("--version",), versions=f"=={PROMETHEUS_VERSION}")
_ALERTMANAGER_ON_PATH = OnPath(arguments=("--version",), versions=f"=={ALERTMANAGER_VERSION}")
_PROMETHEUS_TAGS = "remove_all_sd,enable_file_sd"
_REPORTED_VERSION = "github.com/prometheus/common/version.Version"


def _alertmanager(name: str) -> Recipe:
    return Recipe(
        name=name,
        module="alertmanager",
        package=f"{ALERTMANAGER_MODULE}/cmd/{name}",
        variables=((_REPORTED_VERSION, ALERTMANAGER_VERSION),),
        on_path=_ALERTMANAGER_ON_PATH,
        copy_module=ALERTMANAGER_MODULE,
        extra_files=_WEB_PAGES,
    )


def _kubernetes(name: str, on_path: OnPath) -> Recipe:
    return Recipe(
        name=name,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        variables=_KUBERNETES,
        on_path=on_path,
    )


def _prometheus(name: str) -> Recipe:
    return Recipe(
        name=name,
        module="prometheus",
        package=f"github.com/prometheus/prometheus/cmd/{name}",
        tags=_PROMETHEUS_TAGS,
        variables=((_REPORTED_VERSION, PROMETHEUS_VERSION),),
        on_path=_PROMETHEUS_ON_PATH,
    )


KUBECTL = _kubernetes("kubectl", OnPath(arguments=("version", "--client"), versions=">=1.34,<1.38"))
HELM = Recipe(
    name="helm",
    module="helm",
    package="helm.sh/helm/v3/cmd/helm",
    variables=(("helm.sh/helm/v3/internal/version.version", "v3.22.0"),),
    on_path=OnPath(arguments=("version", "--short"), versions=">=3.14,<5"),
)

RECIPES: tuple[Recipe, ...] = (
    HELM,
    KUBECTL,
    Recipe(
        name="etcd",
        module="kubernetes",
        package="go.etcd.io/etcd/server/v3",
        # 3.5 does not know the watch progress requests of these clients: pods are then replaced in 5 to 30 s.
        on_path=OnPath(arguments=("--version",), versions=">=3.6,<4"),
    ),
    Recipe(name="kwokctl", module="kubernetes", package="sigs.k8s.io/kwok/cmd/kwokctl"),
    Recipe(name="kwok", module="kubernetes", package="sigs.k8s.io/kwok/cmd/kwok"),
    _kubernetes("kube-apiserver", _KUBERNETES_ON_PATH),
    _kubernetes("kube-controller-manager", _KUBERNETES_ON_PATH),
    _kubernetes("kube-scheduler", _KUBERNETES_ON_PATH),
    Recipe(name=OPERATOR, module="kubernetes", package=f"{OPERATOR_MODULE}/cmd/operator"),
    Recipe(
        name="prometheus-config-reloader",
        module="kubernetes",
        package=f"{OPERATOR_MODULE}/cmd/prometheus-config-reloader",
    ),
    Recipe(
        name="pulumi",
        module="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        variables=(("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version", PULUMI_VERSION),),
        on_path=OnPath(arguments=("version",), versions=">=3.250,<4"),
    ),
    Recipe(
        name="pulumi-resource-kubernetes",
        module="pulumi-kubernetes",
        package=f"{KUBERNETES_PROVIDER_MODULE}/{_PROVIDER_COMMAND}",
        variables=((f"{KUBERNETES_PROVIDER_MODULE}/pkg/version.Version", KUBERNETES_PROVIDER_VERSION),),
        copy_module=KUBERNETES_PROVIDER_MODULE,
        extra_files=(
            f"{_PROVIDER_COMMAND}/schema{EMBEDDED_JSON}",
            f"{_PROVIDER_COMMAND}/terraform-mapping{EMBEDDED_JSON}",
        ),
    ),
    _prometheus("prometheus"),
    _prometheus("promtool"),
    # Our own program on Prometheus' rule engine, in the module that promtool is built from: it compiles little more.
    Recipe(
        name="orion-backtest",
        module="prometheus",
        package="./backtest",
        tags=_PROMETHEUS_TAGS,
    ),
    _alertmanager("alertmanager"),
    _alertmanager("amtool"),
    Recipe(
        name="pint",
        module="pint",
        package="github.com/cloudflare/pint/cmd/pint",
        variables=(("main.version", "0.87.0"),),
        on_path=OnPath(arguments=("version",), versions=">=0.80,<1"),
    ),
    # The linter of the workflows: `make check` builds it and nothing else.
    Recipe(
        name="actionlint",
        module="actionlint",
        package="github.com/rhysd/actionlint/cmd/actionlint",
        on_path=OnPath(arguments=("-version",), versions=">=1.7.12,<2"),
    ),
)

BENCH_RECIPES: tuple[Recipe, ...] = (
    # Prometheus' engine over made-up series: what rules read and take. In the module of promtool, as orion-backtest is.
    Recipe(name="orion-rule-bench", module="prometheus", package="./rulebench", tags=_PROMETHEUS_TAGS),
    # A peer of the generator of objectives.
    Recipe(name="sloth", module="sloth", package="github.com/slok/sloth/cmd/sloth"),
)
"""The programs that `make bench` builds once a figure needs them. No other command builds or needs them."""

NEEDED_BY_CHECKS_ONLY = frozenset({"helm", "promtool", "orion-backtest", "amtool", "pint", "actionlint"})
SANDBOX_RECIPES = tuple(recipe for recipe in RECIPES if recipe.name not in NEEDED_BY_CHECKS_ONLY)
"""The programs that the sandbox itself runs; the checks and tests need all of `RECIPES`."""
