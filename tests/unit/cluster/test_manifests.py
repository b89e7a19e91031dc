"""The objects of a cluster, as rendered from the templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data_miner.errors import ConfigError
from miner_cluster import pods
from miner_cluster.app_config import as_variables, load_miner_config
from miner_cluster.cluster import CHECKOUT, Cluster
from miner_cluster.explain import explain
from miner_cluster.kube.deployed import images_of
from miner_cluster.manifest_item import Item
from miner_cluster.manifests import PHASES
from miner_cluster.manifests_storage import volume_count
from miner_cluster.quantities import millicores
from miner_cluster.rendering import HEADER, require_templates, to_files
from miner_cluster.requests import total_requests
from miner_cluster.storage_security import secret_name
from tests.unit.cluster.conftest import GOOD, Load, Render, lab

KUBERNETES = lab().k3s_version.removeprefix("v").rpartition(".")[0]
NODE = lab().nodes["lab-server"]
IMAGES = {
    "data-miner:lab": "sha256:" + "a" * 64,
    "lab.local/seaweedfs:4.48": "sha256:" + "b" * 64,
    "lab.local/postgres:15-debian": "sha256:" + "c" * 64,
}


@pytest.fixture(scope="module")
def rendered(render: Render) -> list[dict[str, Any]]:
    """All objects of the lab."""
    return render(lab(), images=IMAGES)


def named(rendered: list[dict[str, Any]], path: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item["object"] for item in rendered if item["path"] == path)
    return found


def templates(rendered: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the pod template of each workload, by its file."""
    return {
        item["path"]: item["object"]["spec"]["template"]
        for item in rendered
        if "template" in item["object"].get("spec", {})
    }


def container(rendered: list[dict[str, Any]], path: str) -> dict[str, Any]:
    found: dict[str, Any] = templates(rendered)[path]["spec"]["containers"][0]
    return found


def test_every_object_passes_strict_validation(
    rendered: list[dict[str, Any]], render: Render, load: Load
) -> None:
    others = render(
        load(GOOD.replace("  filter: {", "  detect: {kind: StatefulSet, replicas: null}\n  filter: {"))
    )
    for item in [*rendered, *others]:
        kubernetes_validate.validate(item["object"], KUBERNETES, strict=True)


def test_the_tree_has_one_object_per_file_and_every_phase(rendered: list[dict[str, Any]]) -> None:
    paths = [item["path"] for item in rendered]
    assert len(set(paths)) == len(paths)
    assert {item["phase"] for item in rendered} == set(PHASES)
    assert {
        "namespace.yaml",
        "config/configmap.yaml",
        "infrastructure/postgres-statefulset.yaml",
        "infrastructure/postgres-service.yaml",
        "workers/download-statefulset.yaml",
        "workers/extract-deployment.yaml",
        "workers/monitor-deployment.yaml",
        "seaweedfs/namespace.yaml",
        "seaweedfs/master-statefulset.yaml",
        "seaweedfs/master-service.yaml",
        "seaweedfs/filer-statefulset.yaml",
        "seaweedfs/filer-service.yaml",
        "seaweedfs/volume-lab-agent-1-statefulset.yaml",
        "seaweedfs/mount-daemonset.yaml",
    } <= set(paths)


def test_rendering_twice_gives_the_same_bytes(rendered: list[dict[str, Any]], render: Render) -> None:
    again = to_files(render(lab(), images=IMAGES))
    assert to_files(rendered) == again
    assert all(text.startswith(HEADER) and yaml.safe_load(text) for text in again.values())


def test_every_object_can_be_found_for_pruning(rendered: list[dict[str, Any]]) -> None:
    for item in rendered:
        labels = item["object"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "data-miner"
        assert labels["app.kubernetes.io/managed-by"] == "ansible"
        assert labels["data-miner/phase"] == item["phase"]


def test_no_two_workloads_of_a_namespace_select_each_others_pods(rendered: list[dict[str, Any]]) -> None:
    selectors = [
        (item["object"]["metadata"]["namespace"], str(item["object"]["spec"]["selector"]["matchLabels"]))
        for item in rendered
        if item["object"]["kind"] in {"StatefulSet", "Deployment", "DaemonSet"}
    ]
    assert len(set(selectors)) == len(selectors)


def test_services_select_pods_that_exist_on_ports_that_they_have(rendered: list[dict[str, Any]]) -> None:
    for item in rendered:
        if item["object"]["kind"] != "Service":
            continue
        spec = item["object"]["spec"]
        matching = [
            template
            for template in templates(rendered).values()
            if spec["selector"].items() <= template["metadata"]["labels"].items()
        ]
        assert len(matching) == 1, item["path"]
        ports = {port["name"] for one in matching[0]["spec"]["containers"] for port in one["ports"]}
        assert {port["targetPort"] for port in spec["ports"]} <= ports


def test_the_lab_requests_less_than_its_two_cores(rendered: list[dict[str, Any]]) -> None:
    cluster = lab()
    total = 0
    for item in rendered:
        spec = item["object"].get("spec", {})
        if "template" not in spec or item["object"]["kind"] == "Job":
            continue
        count = len(cluster.nodes) if item["object"]["kind"] == "DaemonSet" else spec["replicas"]
        total += count * sum(
            millicores(one["resources"]["requests"]["cpu"]) for one in spec["template"]["spec"]["containers"]
        )
    assert total == total_requests(cluster)["cpu"]
    assert total <= 1500


def test_only_the_mount_is_privileged_and_nothing_gets_a_service_account_token(
    rendered: list[dict[str, Any]],
) -> None:
    for path, template in templates(rendered).items():
        assert template["spec"]["automountServiceAccountToken"] is False
        for one in template["spec"]["containers"]:
            context = one["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            if path == "seaweedfs/mount-daemonset.yaml":
                assert context["privileged"] is True
            else:
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert context["allowPrivilegeEscalation"] is False
                assert template["spec"]["securityContext"]["runAsNonRoot"] is True
                assert template["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_every_pod_is_of_an_account_of_its_namespace_that_has_no_token(
    rendered: list[dict[str, Any]],
) -> None:
    accounts = {
        (item["object"]["metadata"]["namespace"], item["object"]["metadata"]["name"])
        for item in rendered
        if item["object"]["kind"] == "ServiceAccount" and not item["object"]["automountServiceAccountToken"]
    }
    for item in rendered:
        if item["path"] in templates(rendered):
            account = templates(rendered)[item["path"]]["spec"]["serviceAccountName"]
            assert (item["object"]["metadata"]["namespace"], account) in accounts


def test_every_container_says_how_much_it_takes_and_every_service_how_it_is(
    rendered: list[dict[str, Any]],
) -> None:
    for path in templates(rendered):
        found = container(rendered, path)
        assert (
            set(found["resources"]["requests"])
            == set(found["resources"]["limits"])
            == {"cpu", "memory", "ephemeral-storage"}
        )
        # A mount waits for its filer as long as that takes.
        startup = set() if path.endswith("mount-daemonset.yaml") else {"startupProbe"}
        if not path.endswith("-job.yaml"):
            assert {"readinessProbe", "livenessProbe"} | startup <= set(found)


def test_kinds_with_several_pods_lose_one_at_a_time(render: Render, load: Load) -> None:
    budgets = {
        item["path"]: item["object"]["spec"]
        for item in render(load(GOOD.replace("monitor: {replicas: 1", "monitor: {replicas: null")))
        if item["object"]["kind"] == "PodDisruptionBudget"
    }
    assert set(budgets) == {
        "seaweedfs/volume-poddisruptionbudget.yaml",
        "workers/download-poddisruptionbudget.yaml",
        "workers/extract-poddisruptionbudget.yaml",
        "workers/monitor-poddisruptionbudget.yaml",
    }
    assert {spec["maxUnavailable"] for spec in budgets.values()} == {1}


def test_the_machines_directories_are_of_the_users_that_the_pods_run_as(
    rendered: list[dict[str, Any]],
) -> None:
    roles = CHECKOUT / "roles"
    storage = yaml.safe_load((roles / "storage" / "vars" / "main.yml").read_text())["_storage_directories"]
    weed = yaml.safe_load((roles / "seaweedfs" / "vars" / "main.yml").read_text())
    owners = {f"infrastructure/{name}": value["owner"] for name, value in storage.items()}
    for name, directory in (("master", "server"), ("filer", "server"), ("volume", "volume")):
        (owner,) = {one["owner"] for one in weed[f"_seaweedfs_{directory}_directories"]}
        owners[f"seaweedfs/{name}"] = owner
    for path, template in templates(rendered).items():
        owner = next((owner for name, owner in owners.items() if path.startswith(name)), None)
        if owner is not None:
            assert str(template["spec"]["securityContext"]["runAsUser"]) == owner, path


def test_what_workloads_carry_tells_which_images_they_were_rendered_with(
    rendered: list[dict[str, Any]],
) -> None:
    assert images_of(item["object"] for item in rendered if item["path"] in templates(rendered)) == IMAGES


def test_a_new_image_rolls_the_pods_that_use_it_and_no_others(
    rendered: list[dict[str, Any]], render: Render
) -> None:
    other = {**IMAGES, "data-miner:lab": "sha256:" + "d" * 64}
    before, after = to_files(rendered), to_files(render(lab(), images=other))
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {
        "infrastructure/db-migrate-job.yaml",
        "workers/download-statefulset.yaml",
        "workers/extract-deployment.yaml",
        "workers/monitor-deployment.yaml",
    }
    assert named(rendered, "infrastructure/db-migrate-job.yaml")["metadata"]["name"] == "db-migrate-aaaaaaaa"


def test_other_keys_roll_the_pods_that_have_them_and_no_others(render: Render) -> None:
    before, after = (
        to_files(render(lab(), storage_digests={"master-security": "a", "volume-security": digest}))
        for digest in ("a", "b")
    )
    assert {path for path in before if before[path] != after[path]} == {
        f"seaweedfs/volume-{node}-statefulset.yaml" for node in lab().nodes
    }


def test_every_pod_of_the_storage_has_the_keys_of_its_kind_and_reads_them(render: Render) -> None:
    for path, template in templates(render(lab(), "seaweedfs")).items():
        spec = template["spec"]
        (secret,) = [volume["secret"] for volume in spec["volumes"] if "secret" in volume]
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]
        assert secret["secretName"] == secret_name(component), path
        others = secret["defaultMode"] & 0o007
        assert others == 0, path
        user = spec["securityContext"]["runAsUser"]
        assert user == 0 or spec["securityContext"]["fsGroup"] == user, path


def test_a_change_of_one_workers_replicas_changes_that_object_only(render: Render, load: Load) -> None:
    before = to_files(render(load(GOOD)))
    after = to_files(render(load(GOOD.replace("replicas: 2", "replicas: 4"))))
    assert {path for path in before if before[path] != after[path]} == {"workers/extract-deployment.yaml"}


def test_database_and_log_addresses_come_by_key_and_carry_no_password(rendered: list[dict[str, Any]]) -> None:
    data = named(rendered, "config/configmap.yaml")["data"]
    assert (
        data["DATABASE_URL"] == "postgresql://postgres@postgres.data-miner.svc.cluster.local:5432/data_miner"
    )
    env = {one["name"]: one for one in container(rendered, "workers/download-statefulset.yaml")["env"]}
    assert env["DATABASE_URL"]["valueFrom"] == {
        "configMapKeyRef": {"name": "data-miner-config", "key": "DATABASE_URL"}
    }
    assert env["PGPASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "postgres", "key": "password"}}
    assert "HF_TOKEN" not in env


def test_the_token_reaches_only_workers_that_ask_for_it(render: Render, load: Load) -> None:
    rendered = render(load(GOOD), "workers")
    with_token = {
        path
        for path in templates(rendered)
        if any(one["name"] == "HF_TOKEN" for one in container(rendered, path)["env"])
    }
    assert with_token == {"workers/filter-deployment.yaml"}


def test_cookies_and_proxy_reach_the_downloads_alone_and_may_be_missing(render: Render, load: Load) -> None:
    with_secret = {
        path: volume["secret"]
        for path, template in templates(render(load(GOOD), "workers")).items()
        for volume in template["spec"]["volumes"]
        if volume.get("secret", {}).get("secretName") == "site-access"
    }
    assert with_secret == {
        "workers/download-statefulset.yaml": {"secretName": "site-access", "optional": True}
    }


def test_workers_stay_off_storage_only_nodes_and_go_where_they_are_told(render: Render, load: Load) -> None:
    rendered = render(load(GOOD), "workers")

    def keys(path: str) -> set[str]:
        affinity = templates(rendered)[path]["spec"]["affinity"]["nodeAffinity"]
        terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        return {expression["key"] for term in terms for expression in term["matchExpressions"]}

    assert keys("workers/download-statefulset.yaml") == {"data-miner/storage-only"}
    assert keys("workers/extract-deployment.yaml") == {"data-miner/storage-only", "data-miner/role"}
    assert keys("workers/filter-deployment.yaml") == {"data-miner/storage-only", "data-miner/gpu"}


def test_each_node_has_a_volume_server_with_its_own_limit(render: Render, load: Load) -> None:
    rendered = render(load(GOOD), "seaweedfs")

    def arguments(node: str) -> list[str]:
        command: list[str] = container(rendered, f"seaweedfs/volume-{node}-statefulset.yaml")["command"]
        return command

    assert {"-max=48", "-minFreeSpace=3"} <= set(arguments("one"))
    assert {"-max=97", "-minFreeSpace=3"} <= set(arguments("two"))
    assert {"-max=0", "-minFreeSpace=5"} <= set(arguments("three"))
    assert "-ip=volume-two-0.volume-two.seaweedfs" in arguments("two")


def master(rendered: list[dict[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of the master."""
    found = container(rendered, "seaweedfs/master-statefulset.yaml")
    return found["command"], {entry["name"]: entry["value"] for entry in found["env"]}


def test_a_full_disk_evicts_no_pod_of_the_storage(rendered: list[dict[str, Any]]) -> None:
    storage = {path: one for path, one in templates(rendered).items() if path.startswith("seaweedfs/")}
    assert len(storage) == 6
    for template in storage.values():
        assert template["spec"]["priorityClassName"].startswith("system-")


def test_three_nodes_keep_two_copies_and_two_nodes_one(render: Render, load: Load) -> None:
    assert "-defaultReplication=001" in master(render(load(GOOD), "seaweedfs"))[0]
    two = GOOD.replace("    three: {ip: 192.0.2.3, role: worker, storage_only: true}\n", "")
    assert "-defaultReplication=000" in master(render(load(two), "seaweedfs"))[0]


def test_the_configured_replication_is_for_new_files_and_old_ones(render: Render, load: Load) -> None:
    text = GOOD.replace("  data_dir:", '  replication: "002"\n  data_dir:')
    command, env = master(render(load(text), "seaweedfs"))
    assert "-defaultReplication=002" in command
    assert env["WEED_MASTER_MAINTENANCE_SCRIPTS"].split(";") == [
        "lock",
        "volume.vacuum -garbageThreshold=0.1",
        "volume.deleteEmpty -quietFor=1h -apply",
        "volume.configure.replication -replication=002",
        "volume.fix.replication -apply",
        "unlock",
    ]


def test_servers_are_told_their_racks(render: Render, load: Load) -> None:
    text = GOOD.replace("disk_limit_mb: 100000}", "disk_limit_mb: 100000, rack: r2, data_center: dc1}")
    rendered = render(load(text), "seaweedfs")
    told = container(rendered, "seaweedfs/volume-two-statefulset.yaml")["command"]
    assert {"-rack=r2", "-dataCenter=dc1"} <= set(told)
    untold = container(rendered, "seaweedfs/volume-one-statefulset.yaml")["command"]
    assert not [argument for argument in untold if argument.startswith(("-rack", "-dataCenter"))]


@given(st.integers(0, 10**8), st.integers(1, 30_000))
def test_volumes_never_exceed_the_limit_and_waste_less_than_one(limit: int, size: int) -> None:
    node = NODE.model_copy(update={"disk_limit_mb": limit})
    count = volume_count(node, size)
    assert count * size <= limit < (count + 1) * size


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]{1,8}", fullmatch=True),
        st.one_of(
            st.text(max_size=5),
            st.fixed_dictionaries({"field": st.just("spec.nodeName")}),
            st.fixed_dictionaries({"secret": st.just("s"), "key": st.just("k"), "optional": st.booleans()}),
        ),
    )
)
def test_every_variable_has_one_value_or_one_source(values: dict[str, Any]) -> None:
    listed = pods.env(values)
    assert [one["name"] for one in listed] == list(values)
    assert all(("value" in one) != ("valueFrom" in one) for one in listed)


def test_a_value_from_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="PASSWORD"):
        pods.env({"PASSWORD": {"vault": "x"}})


def test_what_has_no_template_is_named() -> None:
    item = Item(
        phase="workers", template="workers/none.yaml.j2", path="none.yaml", vars={}, key="workers.none"
    )
    with pytest.raises(ConfigError, match=r"c\.yaml: workers\.none: this version can't deploy it"):
        require_templates([item], "c.yaml")


def test_output_off_the_shared_storage_is_refused_with_its_line(load: Load) -> None:
    cluster = load(GOOD.replace("${storage.seaweedfs_mount}/out", "/elsewhere"))
    with pytest.raises(ConfigError) as caught:
        load_miner_config(cluster)
    (problem,) = caught.value.problems
    assert (problem.key, problem.file) == ("output_dir", cluster.config_file)
    assert (
        Path(cluster.config_file).read_text().splitlines()[(problem.line or 0) - 1].startswith("  output_dir")
    )


def test_any_character_reaches_the_workers_as_it_was_written(render: Render, load: Load) -> None:
    query = "\U0001f6aa \\ud83d\\ude00 \\\\ é"
    text = GOOD + f"  search: {{queries: [{json.dumps(query, ensure_ascii=False)}]}}\n"
    files = to_files(render(load(text)))
    data = yaml.safe_load(files["config/configmap.yaml"])["data"]
    assert yaml.safe_load(data["config.yaml"])["search"]["queries"] == [query]


def test_explaining_says_which_layer_set_a_value(load: Load) -> None:
    cluster = load(GOOD)
    config = load_miner_config(cluster)
    (line,) = explain(cluster, config, "output_dir")
    assert "'/swdfs_mnt/swshared/out'" in line
    assert "cluster_config.yaml:34" in line
    assert "run_configs/demo.yaml" in explain(cluster, config, "project")[0]
    assert "over 'data_miner_output' from default" in line
    assert "cluster_config.yaml:7" in explain(cluster, config, "cluster.nodes.two.ip")[0]
    assert "cluster.nodes.two.gpu = None  by default" in explain(cluster, config, "cluster.nodes.two")
    (reference,) = explain(cluster, config, "k3s_app_overrides.output_dir")
    assert "'/swdfs_mnt/swshared/out'" in reference
    assert reference.endswith("cluster_config.yaml:34, written ${storage.seaweedfs_mount}/out")
    with pytest.raises(ConfigError, match="nothing sets it"):
        explain(cluster, config, "outptu_dir")


def test_frames_are_expected_of_a_project_that_asks_for_videos_and_extracts(load: Load) -> None:
    def expected(text: str) -> Any:
        cluster = load(text)
        return as_variables(cluster, load_miner_config(cluster))["gives_frames"]

    assert expected(GOOD)
    assert not expected(GOOD + "  stages: [search, download]\n")
    assert not expected(GOOD + "  search: {queries: []}\n")
    assert expected(GOOD + "  search: {queries: []}\n  urls: ['https://example.org/a']\n")


def test_a_token_is_needed_only_for_selected_models_that_are_not_local(load: Load) -> None:
    def needed(cluster: Cluster) -> Any:
        return as_variables(cluster, load_miner_config(cluster))["hf_token_for"]

    extra = """\
  stages: [search, download, extract, filter]
  filter: {model: MODEL, positive_prompts: [a door]}
"""
    assert needed(load(f"{GOOD}  stages: [search, download, extract]\n")) == {}
    assert needed(load(GOOD + extra.replace("MODEL", "org/model"))) == {"filter": "org/model"}
    assert needed(load(GOOD + extra.replace("MODEL", "/models/tiny"))) == {}
    own = GOOD.replace("image:\n", "image:\n  models: lab/models\n", 1)
    assert needed(load(own + extra.replace("MODEL", "tiny-siglip"))) == {}


def test_plugins_reach_the_downloads_alone_and_roll_them(render: Render, load: Load, tmp_path: Path) -> None:
    plugin = tmp_path / "extractor" / "own.py"
    plugin.parent.mkdir()
    plugin.write_text("first = 1\n")
    text = GOOD + f"yt_dlp_plugins: {tmp_path}\n"
    before = {item["path"]: item["object"] for item in render(load(text))}
    assert before["config/yt-dlp-plugins-configmap.yaml"]["data"] == {"own.py": "first = 1\n"}
    using = {path for path, obj in before.items() if "data-miner-plugins" in str(obj)}
    assert using == {"workers/download-statefulset.yaml"}
    plugin.write_text("second = 2\n")
    after = {item["path"]: item["object"] for item in render(load(text))}
    assert before["workers/download-statefulset.yaml"] != after["workers/download-statefulset.yaml"]


def test_a_directory_without_plugins_is_named(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no plugin in"):
        load_miner_config(load(GOOD + f"yt_dlp_plugins: {tmp_path}\n"))
