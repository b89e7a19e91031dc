"""Strategies for cluster_config.yaml: files that are right, and changes that may spoil them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from miner_cluster.rendering import TEMPLATES

RESERVED = {"all", "ungrouped", "localhost", "server", "agent", "gpu"}
WORKERS = ("download", "extract", "filter", "dedup", "detect", "monitor")
SERVICES = [
    name
    for name in ("loki", "grafana", "adminer")
    if (TEMPLATES / "infrastructure" / f"{name}.yaml.j2").is_file()
]

Config = dict[str, Any]
Path = tuple[str | int, ...]

names = st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?", fullmatch=True).filter(
    lambda name: name not in RESERVED and not name.startswith("kube-")
)
cpu = st.tuples(st.integers(1, 2000), st.integers(0, 4000)).map(
    lambda pair: f"{pair[0]}m-{pair[0] + pair[1]}m"
)
memory = st.tuples(st.integers(1, 64), st.integers(0, 64), st.sampled_from(["Mi", "Gi", "G"])).map(
    lambda three: f"{three[0]}{three[2]}-{three[0] + three[1]}{three[2]}"
)
presets = st.fixed_dictionaries({"cpu": cpu, "memory": memory})
images = st.sampled_from(
    ["a/b:1.2", "registry.example:5000/team/name:v1", "x@sha256:" + "0" * 64, "postgres:16", "name"]
)


@st.composite
def clusters(draw: st.DrawFn) -> Config:
    """Return a configuration that is right."""
    volume_mb = draw(st.sampled_from([64, 1000, 1024, 30_000]))
    config: Config = {"cluster": draw(_cluster_section(volume_mb))}
    nodes = config["cluster"]["nodes"].values()
    may_gpu = any(node.get("gpu") is not False and not node.get("storage_only") for node in nodes)
    given = draw(st.dictionaries(names, presets, max_size=2))
    config["resource_presets"] = {name: draw(presets) for name in ("small", "medium", "gpu")} | given
    preset = st.fixed_dictionaries(
        {}, optional={"preset": st.sampled_from(sorted(config["resource_presets"]))}
    )
    config["run_config"] = draw(st.sampled_from(["run_configs/demo.yaml", "run_configs/glass_door.yaml"]))
    config["storage"] = {
        "seaweedfs_mount": draw(st.sampled_from(["/swdfs_mnt/swshared", "/mnt/a/b"])),
        "db_path": draw(st.sampled_from(["/data/db", "/srv/a.b-c", "/opt/databases"])),
    }
    config["seaweedfs"] = {"data_dir": draw(st.sampled_from(["/data/weed", "${storage.db_path}-files"]))}
    config["seaweedfs"] |= {"image": draw(images), "volume_size_limit_mb": volume_mb} | draw(preset)
    config["image"] = {"name": draw(names), "tag": draw(st.sampled_from(["1.0", "latest", "v2_b"]))}
    config["workers"] = {
        name: draw(_workers(may_gpu=may_gpu)) | draw(preset)
        for name in draw(st.sets(st.sampled_from(WORKERS)))
    }
    config["infrastructure"] = {"postgres": {"kind": "StatefulSet", "image": draw(images)} | draw(preset)}
    for number, name in enumerate(draw(st.sets(st.sampled_from(SERVICES))) if SERVICES else ()):
        config["infrastructure"][name] = draw(_services(30_000 + number)) | draw(preset)
    config["k3s_app_overrides"] = {"output_dir": "${storage.seaweedfs_mount}/" + draw(names)} | draw(
        _overrides
    )
    return config


@st.composite
def _cluster_section(draw: st.DrawFn, volume_mb: int) -> Config:
    workers = draw(st.lists(names, min_size=0, max_size=4, unique=True))
    masters = draw(
        st.lists(names.filter(lambda name: name not in workers), min_size=3, max_size=3, unique=True)
    )
    masters = masters[: draw(st.sampled_from([1, 3]))]
    limits = st.just(0) | st.integers(volume_mb, 10**7)
    nodes = {}
    for number, name in enumerate((*masters, *workers)):
        node: Config = {"ip": f"192.0.2.{number + 1}", "role": "master" if name in masters else "worker"}
        more = {
            "disk_limit_mb": limits,
            "gpu": st.booleans(),
            "rack": names,
            "data_center": names,
            "labels": st.dictionaries(names, names, max_size=2),
        }
        if name in workers:
            more["storage_only"] = st.booleans()
        nodes[name] = node | draw(st.fixed_dictionaries({}, optional=more))
    more = {
        "namespace": names,
        "ssh": st.fixed_dictionaries({}, optional={"user": st.just("miner"), "port": st.integers(1, 65535)}),
    }
    return {"name": draw(names), "nodes": nodes} | draw(st.fixed_dictionaries({}, optional=more))


@st.composite
def _workers(draw: st.DrawFn, *, may_gpu: bool) -> Config:
    places = ["all", "master", "gpu"] if may_gpu else ["all", "master"]
    more = {
        "kind": st.sampled_from(["Deployment", "StatefulSet"]),
        "replicas": st.none() | st.integers(0, 9),
        "hf_token": st.booleans(),
    }
    worker: Config = {"schedule_on": draw(st.sampled_from(places))}
    return worker | draw(st.fixed_dictionaries({}, optional=more))


@st.composite
def _services(draw: st.DrawFn, node_port: int) -> Config:
    more = {"port": st.integers(1024, 65535), "node_port": st.just(node_port), "replicas": st.integers(0, 1)}
    kinds = st.sampled_from(["Deployment", "StatefulSet"])
    service: Config = {"kind": draw(kinds), "image": draw(images)}
    return service | draw(st.fixed_dictionaries({}, optional=more))


_overrides = st.fixed_dictionaries(
    {},
    optional={
        "device": st.sampled_from(["auto", "cpu", "cuda"]),
        "urls": st.lists(
            st.from_regex(r"https://example\.org/[a-z0-9?=&#%-]{1,8}", fullmatch=True), max_size=2
        ),
        "search": st.fixed_dictionaries(
            {"queries": st.lists(st.text("abc 1e30:-#'\"", min_size=3), max_size=2)}
        ).filter(lambda search: all(query.strip() for query in search["queries"])),
        "extract": st.fixed_dictionaries({"fps": st.integers(1, 60) | st.floats(0.001, 60)}),
        "download": st.fixed_dictionaries({"max_size_mib": st.none() | st.integers(1, 10**6)}),
        "worker": st.fixed_dictionaries({"port": st.integers(1024, 65535)}),
    },
)

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "master",
            "gpu",
            "${storage.db_path}",
            "${a}",
            "/data",
            "/",
            "1-2",
            "512Mi",
            "${",
            "x:",
            "1e3",
            "010",
        ]
    ),
    st.lists(st.integers() | st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@st.composite
def changed(draw: st.DrawFn, config: Config) -> Config:
    """Return a configuration with up to three values set, removed, added or renamed at random."""
    config = _copy(config)
    for _ in range(draw(st.integers(1, 3))):
        if not config:
            break
        # the deepest first, as what comes first is drawn most
        *above, last = draw(st.sampled_from(sorted(_places(config), key=len, reverse=True)))
        place: Any = config
        for part in above:
            place = place[part]
        match draw(st.sampled_from(["set", "remove", "add", "rename"])):
            case "remove":
                del place[last]
            case "set":
                place[last] = draw(_similar(place[last]) | anything)
            case _ if isinstance(place, list):
                place.append(draw(anything))
            case "add":
                place[draw(st.text(max_size=6))] = draw(anything)
            case _:
                place[draw(st.text(max_size=6))] = place.pop(last)
    return config


def _similar(value: Any) -> st.SearchStrategy[Any]:
    """Return values of the same kind, which often are right too."""
    match value:
        case bool():
            return st.booleans()
        case int():
            return st.integers(0, 2 * value + 10)
        case float():
            return st.floats(0, 1)
        case str():
            return names | st.just(f"{value}1")
        case _:
            return st.just(value)


def _places(data: Any, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            found += _places(value, (*path, key))
    return found


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(value) for value in data] if isinstance(data, list) else data
