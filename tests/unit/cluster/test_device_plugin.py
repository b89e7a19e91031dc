"""Where NVIDIA's device plugin runs."""

from __future__ import annotations

from typing import Any

from miner_cluster.cluster import GPU_LABEL
from tests.unit.cluster.conftest import GOOD, Load, Render

PLUGIN = "nvidia: {device_plugin: 'registry.example/plugin:1'}\n"


def plugins(render: Render, cluster: Any) -> list[dict[str, Any]]:
    found = [item["object"] for item in render(cluster, "infrastructure")]
    return [obj for obj in found if obj["kind"] == "DaemonSet"]


def test_it_runs_on_machines_with_a_gpu_and_reaches_only_the_kubelet(render: Render, load: Load) -> None:
    (plugin,) = plugins(render, load(PLUGIN + GOOD))
    pod = plugin["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {GPU_LABEL: "true"}
    paths = [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]
    assert paths == ["/var/lib/kubelet/device-plugins"]
    assert not any(container["securityContext"].get("privileged") for container in pod["containers"])


def test_without_an_image_or_a_machine_for_it_there_is_none(render: Render, load: Load) -> None:
    assert plugins(render, load(GOOD)) == []
    cluster = load(PLUGIN + GOOD)
    without = {name: node.model_copy(update={"gpu": False}) for name, node in cluster.nodes.items()}
    assert plugins(render, cluster.model_copy(update={"nodes": without})) == []
