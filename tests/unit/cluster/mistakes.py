"""Mistakes that people make in cluster_config.yaml and run configs, and where each must be found."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tests.unit.cluster.conftest import GOOD


@dataclass(frozen=True)
class Mistake:
    """What is replaced by what in the right file, the key it is found at, and words of the message."""

    old: str
    new: str
    key: str
    words: str
    #: beginning of the line and column that the message names; by default those of the replaced text's key
    at: str = ""

    def __str__(self) -> str:
        """Return a name for the test."""
        return " ".join(f"{self.key}: {self.new}".split())[:70]

    @property
    def text(self) -> str:
        """The file with the mistake in it."""
        assert self.old in GOOD
        return GOOD.replace(self.old, self.new, 1)

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of the key, counted from 1."""
        text = self.text
        start = text.index(self.at) if self.at else GOOD.index(self.old)
        begin = text.rfind("\n", 0, start) + 1
        line = text[begin:].partition("\n")[0]
        column = start - begin if self.at else line.find(f"{self.key.rpartition('.')[2]}:")
        assert column >= 0, f"say `at`: {self.key} is not in {line!r}"
        return text.count("\n", 0, start) + 1, column + 1


@dataclass(frozen=True)
class RunMistake:
    """A run config with a mistake, the line and key at which it is found, and words of the message."""

    text: str
    line: int
    key: str
    words: str

    def __str__(self) -> str:
        """Return a name for the test."""
        return f"{self.key}: {self.words}"[:70]


NODE_TWO = "    two: {ip: 192.0.2.2, role: worker, disk_limit_mb: 100000}"
LAB = "lab: {{disk_mb: 60000, site_ip: 192.0.2.{}}}\n"
NAME = "  name: test\n"

MISTAKES = [
    # keys
    Mistake("k3s_version", "k3s_versoin", "cluster.k3s_versoin", "did you mean k3s_version?"),
    Mistake("workers:", "worker:", "worker", "did you mean workers?"),
    Mistake("data_dir:", "data_path:", "seaweedfs.data_path", "unknown key"),
    Mistake("image:\n", "image:\n  db_path: /x\n", "image.db_path", "it belongs to storage", "db_path: /x"),
    Mistake("  extract:", "  extrct:", "workers.extrct", "did you mean extract?"),
    Mistake("  postgres:", "  mysql:", "infrastructure.mysql", "known here: postgres"),
    Mistake(
        "  namespace: data-miner",
        "  namespace: a\n  namespace: b",
        "cluster.namespace",
        "given twice",
        "namespace: b",
    ),
    Mistake("ip: 192.0.2.2, ", "", "cluster.nodes.two.ip", "is missing", "two:"),
    Mistake("role: worker, disk", "disk", "cluster.nodes.two.role", "is missing", "two:"),
    # kinds of values
    Mistake('tag: "1.0"', "tag: 1.30", "image.tag", "put it in quotes"),
    Mistake(
        "disk_limit_mb: 100000", "disk_limit_mb: lots", "cluster.nodes.two.disk_limit_mb", "whole number"
    ),
    Mistake("disk_limit_mb: 100000", "disk_limit_mb: -1", "cluster.nodes.two.disk_limit_mb", "-1"),
    Mistake("disk_limit_mb: 100000", "disk_limit_mb: 1e5", "cluster.nodes.two.disk_limit_mb", "whole number"),
    Mistake("name: data-miner\n", "name: no\n", "image.name", "put it in quotes"),
    Mistake("hf_token: true", "hf_token: maybe", "workers.filter.hf_token", "true or false"),
    Mistake("replicas: 3", "replicas: '3'", "workers.download.replicas", "without quotes"),
    Mistake("replicas: 3", "replicas: -3", "workers.download.replicas", "-3"),
    Mistake("replicas: 3", "replicas: true", "workers.download.replicas", "whole number"),
    Mistake(
        "kind: StatefulSet, replicas", "kind: Statefulset, replicas", "workers.download.kind", "did you mean"
    ),
    Mistake("schedule_on: gpu", "schedule_on: cpu", "workers.filter.schedule_on", "should be one of"),
    Mistake(
        "role: worker, disk", "role: slave, disk", "cluster.nodes.two.role", "should be one of master, worker"
    ),
    Mistake("storage:\n", "storage: []\nold:\n", "storage", "should be a mapping"),
    Mistake(NODE_TWO, "    two: 192.0.2.2", "cluster.nodes.two", "should be a mapping"),
    Mistake(
        "storage:\n  seaweedfs_mount: /swdfs_mnt/swshared\n  db_path: /data/data_miner_db",
        "storage:",
        "storage",
        "found nothing",
    ),
    Mistake(
        "image: chrislusf/seaweedfs:4.48",
        "image: 'chrislusf/seaweedfs:'",
        "seaweedfs.image",
        "image reference",
    ),
    Mistake('"postgres:16"', '"postgres 16"', "infrastructure.postgres.image", "image reference"),
    Mistake('"postgres:16"', '"Postgres:16"', "infrastructure.postgres.image", "image reference"),
    Mistake("v1.31.0+k3s1", "1.31", "cluster.k3s_version", "quotes"),
    Mistake("v1.31.0+k3s1", "v1.31", "cluster.k3s_version", "k3s release"),
    Mistake("name: test", "name: Test!", "cluster.name", "RFC 1123"),
    # machines
    Mistake("role: master", "role: worker", "cluster.nodes", "no node has role master", "nodes:"),
    Mistake("role: worker, disk", "role: master, disk", "cluster.nodes.two.role", "use 1, 3 or 5 masters"),
    Mistake(NAME, NAME + "  api_vip: 192.0.2.9\n", "cluster.api_vip", "use 3 or 5 masters", "api_vip"),
    Mistake(NAME, NAME + "  api_address: lb.example\n", "cluster.api_address", "use 3 or 5", "api_address"),
    Mistake(
        NAME, NAME + "  api_address: https://lb\n", "cluster.api_address", "without https", "api_address"
    ),
    Mistake(NAME, NAME + "  api_vip: lb.example\n", "cluster.api_vip", "IPv4", "api_vip"),
    Mistake("192.0.2.2", "192.0.2.1", "cluster.nodes.two.ip", "is the address of one too"),
    Mistake("192.0.2.2", "192.0.2.256", "cluster.nodes.two.ip", "IPv4"),
    Mistake("192.0.2.2", "2001:db8::1", "cluster.nodes.two.ip", "IPv6"),
    Mistake("192.0.2.2", "127.0.0.1", "cluster.nodes.two.ip", "other machines"),
    Mistake("192.0.2.2", "box.example", "cluster.nodes.two.ip", "IPv4"),
    Mistake("    two:", "    Two_2:", "cluster.nodes.Two_2", "RFC 1123"),
    Mistake("    two:", f"    {'x' * 46}:", f"cluster.nodes.{'x' * 46}", "at most 45"),
    Mistake("    two:", "    localhost:", "cluster.nodes.localhost", "something else"),
    Mistake("    two:", "    no:", "cluster.nodes", "quote it", "no:"),
    Mistake(
        "role: worker, storage_only",
        "role: master, storage_only",
        "cluster.nodes.three.storage_only",
        "master",
    ),
    Mistake(NODE_TWO, NODE_TWO[:-1] + ", labels: {a b: c}}", "cluster.nodes.two.labels.a b", "label key"),
    Mistake(
        NODE_TWO,
        NODE_TWO[:-1] + ", labels: {kubernetes.io/hostname: x}}",
        "cluster.nodes.two.labels.kubernetes.io/hostname",
        "find their place by it",
        "kubernetes.io/hostname",
    ),
    # meaning across sections
    Mistake(
        "disk_limit_mb: 100000", "disk_limit_mb: 1000", "cluster.nodes.two.disk_limit_mb", "holds no volume"
    ),
    Mistake(
        "default_disk_limit_mb: 0",
        "default_disk_limit_mb: 5",
        "seaweedfs.default_disk_limit_mb",
        "1024 or more",
    ),
    Mistake(
        "schedule_on: gpu,", "schedule_on: gpu, preset: huge,", "workers.filter.preset", "small, medium, gpu"
    ),
    Mistake("  gpu: {", "  big: {", "workers.filter.preset", "'gpu'", "filter:"),
    Mistake(
        "schedule_on: gpu,",
        "schedule_on: gpu, autoscale: {min: 3, max: 2},",
        "workers.filter.autoscale.min",
        "smaller number",
    ),
    Mistake(
        "replicas: 2, schedule_on: master",
        "replicas: 2, schedule_on: master, autoscale: {max: 2}",
        "workers.extract.replicas",
        "autoscale sets the number too",
    ),
    Mistake(
        "monitor: {replicas: 1,",
        "monitor: {autoscale: {max: 2},",
        "workers.monitor.autoscale",
        "takes nothing",
    ),
    Mistake("cpu: 250m-1000m", "cpu: 1 CPU", "resource_presets.small.cpu", "no CPU quantity"),
    Mistake("cpu: 250m-1000m", "cpu: 250m-", "resource_presets.small.cpu", "lacks a side"),
    Mistake("cpu: 250m-1000m", "cpu: 2-1", "resource_presets.small.cpu", "write 1-2"),
    Mistake("memory: 512Mi-2Gi", "memory: 2Gi-512Mi", "resource_presets.small.memory", "write 512Mi-2Gi"),
    Mistake("memory: 512Mi-2Gi", "memory: 512", "resource_presets.small.memory", "quotes"),
    Mistake("port: 5432", "port: 70000", "infrastructure.postgres.port", "65535"),
    Mistake("port: 5432", "node_port: 80", "infrastructure.postgres.node_port", "30000"),
    Mistake("port: 5432", "replicas: 2", "infrastructure.postgres.replicas", "1"),
    Mistake("port: 5432", "replicas: 0", "infrastructure.postgres.replicas", "write replicas: 1"),
    Mistake(
        "postgres: {kind: StatefulSet",
        "postgres: {kind: Deployment",
        "infrastructure.postgres.kind",
        "StatefulSet",
    ),
    Mistake("  postgres: {", "  loki: {", "infrastructure", "add postgres", "infrastructure:"),
    Mistake("namespace: seaweedfs", "namespace: data-miner", "seaweedfs.namespace", "two namespaces"),
    Mistake("  namespace: data-miner", "  namespace: default", "cluster.namespace", "Kubernetes's own"),
    Mistake("  namespace: data-miner", "  namespace: kube-x", "cluster.namespace", "Kubernetes's own"),
    # paths
    Mistake("db_path: /data/data_miner_db", "db_path: data", "storage.db_path", "absolute path"),
    Mistake("db_path: /data/data_miner_db", "db_path: ''", "storage.db_path", "absolute path"),
    Mistake("db_path: /data/data_miner_db", "db_path: /data/../etc", "storage.db_path", "without //, .."),
    Mistake("db_path: /data/data_miner_db", "db_path: /etc/db", "storage.db_path", "/etc"),
    Mistake("db_path: /data/data_miner_db", "db_path: /", "storage.db_path", "other directories"),
    Mistake("db_path: /data/data_miner_db", "db_path: /var/lib", "storage.db_path", "other directories"),
    Mistake("mount: /swdfs_mnt/swshared", "mount: /mnt/shared", "storage.seaweedfs_mount", "above it"),
    Mistake("k3s_version: v1.31.0+k3s1", "k3s_version: !!int x", "cluster.k3s_version", "is no int"),
    Mistake("namespace: data-miner", 'namespace: "a\\0b"', "cluster.namespace", "control character"),
    Mistake("db_path: /data/data_miner_db", "db_path: /data/a b", "storage.db_path", "absolute path"),
    Mistake("mount: /swdfs_mnt/swshared", "mount: /mnt", "storage.seaweedfs_mount", "other directories"),
    Mistake("data_dir: /data/seaweed", "data_dir: /swdfs_mnt/swshared", "seaweedfs.data_dir", "overlap"),
    Mistake("data_dir: /data/seaweed", "data_dir: /data/data_miner_db/s", "seaweedfs.data_dir", "overlap"),
    Mistake("db_path: /data/data_miner_db", "db_path: /swdfs_mnt/db", "storage.db_path", "overlap"),
    # references
    Mistake("${storage.seaweedfs_mount}", "${storage.mount}", "k3s_app_overrides.output_dir", "did you mean"),
    Mistake(
        "${storage.seaweedfs_mount}",
        "${k3s_app_overrides.output_dir}",
        "k3s_app_overrides.output_dir",
        "itself",
    ),
    Mistake("${storage.seaweedfs_mount}", "${storage}", "k3s_app_overrides.output_dir", "single value"),
    Mistake("${storage.seaweedfs_mount}", "${storage", "k3s_app_overrides.output_dir", "no end"),
    Mistake(
        "data_dir: /data/seaweed",
        "data_dir: '${seaweedfs.volume_size_limit_mb}'",
        "seaweedfs.data_dir",
        "text",
    ),
    # YAML
    Mistake("image:\n  name", "image:\n\tname", "", "tab", "\tname"),
    Mistake("nodes:", "nodes: [", "", "not valid YAML", "two:"),
    Mistake(
        "    two:", "    one:", "cluster.nodes.one", "given twice, first on line 6", "one: {ip: 192.0.2.2"
    ),
    Mistake("port: 5432", "port: 05432", "infrastructure.postgres.port", "octal"),
    Mistake("port: 5432", "port: 90:32", "infrastructure.postgres.port", "base 60"),
    Mistake("image:\n", "image:\n  <<: 3\n", "image", "merges no single value", "3\n  name"),
    Mistake("image:\n", "image:\n  on: 3\n", "image", "quote it", "on: 3"),
    Mistake("device: auto", "device: &d [*d]", "k3s_app_overrides.device[0]", "contains itself", "&d"),
    Mistake('tag: "1.0"', "tag:", "image.tag", "found nothing"),
    Mistake('tag: "1.0"', "tag: 1_0", "image.tag", "put it in quotes"),
    Mistake("replicas: 3", "replicas: ${image.tag}", "", "put a ${reference} in quotes", "{image.tag"),
    # more of names, addresses and numbers
    Mistake("    two:", "    two.example:", "cluster.nodes.two.example", "RFC 1123", "two.example:"),
    Mistake("    two:", "    -two:", "cluster.nodes.-two", "RFC 1123"),
    Mistake("    two:", "    server:", "cluster.nodes.server", "something else"),
    Mistake("nodes:\n", "nodes: {}\n  old:\n", "cluster.nodes", "should not be empty"),
    Mistake("192.0.2.2", "192.0.2", "cluster.nodes.two.ip", "IPv4"),
    Mistake("192.0.2.2", "'0.0.0.0'", "cluster.nodes.two.ip", "other machines"),
    Mistake("192.0.2.2", "255.255.255.255", "cluster.nodes.two.ip", "other machines"),
    Mistake("192.0.2.2", "10.42.0.5", "cluster.nodes.two.ip", "network of the pods"),
    Mistake("192.0.2.2", "10.43.0.5", "cluster.nodes.two.ip", "network of the services"),
    Mistake("  namespace: data-miner", "  namespace: Data_Miner", "cluster.namespace", "RFC 1123"),
    Mistake("namespace: seaweedfs", "namespace: kube-system", "seaweedfs.namespace", "Kubernetes's own"),
    Mistake("replicas: 3", "replicas: 2.0", "workers.download.replicas", "whole number"),
    Mistake("replicas: 3", "replicas: 5000", "workers.download.replicas", "1000"),
    Mistake("replicas: 3", "replicas: some", "workers.download.replicas", "such as 3"),
    Mistake("hf_token: true", "hf_token: 1", "workers.filter.hf_token", "true or false"),
    Mistake("volume_size_limit_mb: 1024", "volume_size_limit_mb: 0", "seaweedfs.volume_size_limit_mb", "1"),
    Mistake(
        "image:\n", "backup: {daily_at: 3:17}\nimage:\n", "backup.daily_at", "'3:17' for a text", "daily_at"
    ),
    Mistake(
        "image:\n", 'backup: {daily_at: "3:17"}\nimage:\n', "backup.daily_at", "a time of day", "daily_at"
    ),
    Mistake(
        "volume_size_limit_mb: 1024",
        "replication: 001",
        "seaweedfs.replication",
        "write '001' for a text",
        at="replication: 001",
    ),
    Mistake(
        "volume_size_limit_mb: 1024",
        'replication: "0011"',
        "seaweedfs.replication",
        'three digits from 0 to 2 in quotes, such as "001"',
        at="replication",
    ),
    Mistake(
        "volume_size_limit_mb: 1024",
        'replication: "010"',
        "seaweedfs.replication",
        "010 needs 2 racks in one data center; nodes by data center and rack: "
        'DefaultDataCenter/DefaultRack 3; add nodes, set their rack and data_center, or write "001"',
        at="replication",
    ),
    Mistake(
        "role: worker, disk_limit_mb: 100000",
        "role: worker, rack: 'r 1'",
        "cluster.nodes.two.rack",
        "a name of letters, digits",
        at="rack",
    ),
    Mistake("  name: test", "  ssh: {port: 0}", "cluster.ssh.port", "1", "port: 0"),
    Mistake("  name: test", "  ssh: {user: The Boss}", "cluster.ssh.user", "login name", "user:"),
    Mistake("  name: test", "  ssh: {key: ''}", "cluster.ssh.key", "1 character", "key:"),
    # more of meaning
    Mistake(
        "role: master, disk_limit_mb: 50000}\n" + NODE_TWO[:-1],
        "role: master, gpu: false}\n" + NODE_TWO[:-1] + ", gpu: false",
        "workers.filter.schedule_on",
        "no node can have a GPU",
        "schedule_on: gpu",
    ),
    Mistake(
        "port: 5432}",
        "node_port: 30100}\n  adminer: {kind: Deployment, image: 'a:1', node_port: 30100}",
        "infrastructure.adminer.node_port",
        "taken by postgres",
        "node_port: 30100}\nk3s",
    ),
    Mistake("port: 5432", "node_port: 40000", "infrastructure.postgres.node_port", "32767"),
    Mistake('"postgres:16"', "postgres@sha256:12", "infrastructure.postgres.image", "image reference"),
    Mistake('"postgres:16"', "https://postgres", "infrastructure.postgres.image", "image reference"),
    Mistake("name: data-miner\n", "name: data-miner:2\n", "image.name", "without a tag"),
    Mistake("cpu: 250m-1000m", "cpu: 0-1", "resource_presets.small.cpu", "above 0"),
    Mistake("cpu: 250m-1000m", "cpu: 1-2-3", "resource_presets.small.cpu", "no CPU quantity"),
    Mistake("memory: 512Mi-2Gi", "memory: 1GB", "resource_presets.small.memory", "no memory quantity"),
    Mistake("memory: 512Mi-2Gi", "memory: 512Mi-", "resource_presets.small.memory", "lacks a side"),
    Mistake(", memory: 512Mi-2Gi", "", "resource_presets.small.memory", "is missing", "small:"),
    Mistake(NAME, f"{NAME}lab: {{disk_mb: 20}}\nx:\n", "lab.disk_mb", "2000", "disk_mb: 20}"),
    Mistake(
        "run_config:", f"{LAB.format(9)}run_config:", "cluster.nodes.one.ip", "needs itself", "ip: 192.0.2.1"
    ),
    Mistake("run_config:", f"{LAB.format(2)}run_config:", "lab.site_ip", "is the address of two", "site_ip"),
    Mistake("run_config:", f"{LAB.format(255)}run_config:", "lab.site_ip", "needs itself", "site_ip"),
    Mistake(
        "192.0.2.3, role: worker, storage_only: true}\n",
        f"198.51.100.3, role: worker}}\n{LAB.format(9)}",
        "lab.site_ip",
        "one /24 subnet",
        "site_ip",
    ),
    Mistake(
        "run_config:",
        f"{LAB.format(9)}run_config:",
        "cluster.nodes.two.disk_limit_mb",
        "more than lab.disk_mb",
        "disk_limit_mb: 100000",
    ),
    # more of paths and references
    Mistake("data_dir: /data/seaweed", "data_dir: /usr/share", "seaweedfs.data_dir", "/usr"),
    Mistake(
        "data_dir: /data/seaweed", "data_dir: /var/lib/rancher/x", "seaweedfs.data_dir", "system directory"
    ),
    Mistake("data_dir: /data/seaweed", "data_dir: /tmp/weed", "seaweedfs.data_dir", "system directory /tmp"),
    Mistake("data_dir: /data/seaweed", "data_dir: /data/seaweed/", "seaweedfs.data_dir", "/ at its end"),
    Mistake("mount: /swdfs_mnt/swshared", "mount: /data/seaweed", "storage.db_path", "overlap", "db_path"),
    Mistake(
        "db_path: /data/data_miner_db",
        "db_path: ${seaweedfs.data_dir}/${storage.db_path}",
        "storage.db_path",
        "refers to itself",
    ),
    Mistake("${storage.seaweedfs_mount}", "${a.b}", "k3s_app_overrides.output_dir", "not in this file"),
    Mistake("replicas: 3", "replicas: '${image.name}'", "workers.download.replicas", "${image.name}"),
    Mistake("data_dir: /data/seaweed", "data_dir: '${seaweedfs}'", "seaweedfs.data_dir", "itself"),
    # the application's configuration in the cluster's file
    Mistake("device: auto", "devise: auto", "k3s_app_overrides.devise", "did you mean device?"),
    Mistake("device: auto", "device: tpu", "k3s_app_overrides.device", "one of auto, cpu, cuda"),
    Mistake("device: auto", "device: null", "k3s_app_overrides.device", "the null on this line removes it"),
    Mistake("device: auto", "urls: ''", "k3s_app_overrides.urls", "should be a list", "urls:"),
    Mistake("device: auto", "extract: {fps: 0}", "k3s_app_overrides.extract.fps", "greater than 0", "fps:"),
    Mistake(
        "output_dir: ${storage.seaweedfs_mount}/out", "output_dir: ''", "k3s_app_overrides.output_dir", "path"
    ),
]


def _bomb(first: bytes, line: bytes) -> bytes:
    """Return a file in which each of eleven lines refers to the one before nine times."""
    names = [bytes([letter]) for letter in b"abcdefghijk"]
    lines = [b"a: &a " + first]
    for before, name in pairwise(names):
        lines.append(b"%s: &%s " % (name, name) + line % b", ".join([b"*" + before] * 9))
    return b"\n".join(lines)


#: files that are no configuration: name, content, line (0: none), words
NO_CONFIGURATIONS = [
    ("empty", b"", 1, "empty"),
    ("comment", b"# nothing\n", 1, "empty"),
    ("byte order mark", b"\xef\xbb\xbfcluster: {}\n", 1, "byte order mark"),
    ("other encoding", "cluster: {}\n".encode("utf-16"), 1, "not UTF-8"),
    ("binary", b"\x7fELF\x00\x01\xff", 1, "UTF-8"),
    ("control character", b"a: 1\nb: \x01\n", 2, "not allowed"),
    ("list", b"- a\n- b\n", 1, "a list"),
    ("text", b"hello\n", 1, "text"),
    ("tab", b"cluster:\n\tname: x\n", 2, "tab"),
    ("two documents", b"a: 1\n---\nb: 2\n", 2, "not valid YAML"),
    ("alias of nothing", b"a: &a [x]\ncluster: *missing\n", 2, "not valid YAML"),
    ("code", b"a: !!python/object:os.system x\n", 1, "not valid YAML"),
    ("alias bomb", _bomb(b"[x, x]", b"[%s]"), 6, "aliases make more than"),
    ("bomb of merges", _bomb(b"{x: 1}", b"{<<: [%s]}"), 6, "aliases make more than"),
    ("depth", b"a: " + b"[" * 5000, 0, "nested too deeply"),
    ("huge", b"#" * (5 << 20), 0, "larger than"),
]

RUN_MISTAKES = [
    RunMistake("search: {queries: [a]}\n", 0, "project", "is missing; add it to the run config"),
    RunMistake("project: Demo!\n", 1, "project", "should match"),
    RunMistake("project: p\nproject: q\n", 2, "project", "given twice"),
    RunMistake("project: p\nsrch: {queries: [a]}\n", 2, "srch", "did you mean search?"),
    RunMistake("project: p\nsearch:\n  query: [a]\n", 3, "search.query", "did you mean queries?"),
    RunMistake("project: p\nsearch:\n  queries: glass door\n", 3, "search.queries", "should be a list"),
    RunMistake("project: p\nsearch:\n  queries: [a, '']\n", 3, "search.queries[1]", "should not be empty"),
    RunMistake("project: p\nsearch:\n  queries:\n    - 1.30\n", 4, "search.queries[0]", "should be text"),
    RunMistake("project: p\nsearch:\n  queries:\n    - no\n", 4, "search.queries[0]", "should be text"),
    RunMistake("project: p\nsearch: {prefix: 'yt search'}\n", 2, "search.prefix", "should match"),
    RunMistake("project: p\nsearch: {max_results_per_query: 0}\n", 2, "search.max_results_per_query", "1"),
    RunMistake(
        "project: p\ndownload:\n  blocked_hashtag_patterns: ''\n",
        3,
        "download.blocked_hashtag_patterns",
        "found empty text",
    ),
    RunMistake(
        "project: p\ndownload:\n  blocked_hashtag_patterns: ['(']\n",
        3,
        "download.blocked_hashtag_patterns[0]",
        "regular expression",
    ),
    RunMistake("project: p\ndownload: {max_height: 0720}\n", 2, "download.max_height", "octal"),
    RunMistake("project: p\ndownload:\n  max_duration_s: 1:30\n", 3, "download.max_duration_s", "base 60"),
    RunMistake("project: p\ndownload:\n  max_duration_s: .inf\n", 3, "download.max_duration_s", "finite"),
    RunMistake(
        "project: p\ndownload:\n  max_duration_s: 1\n", 3, "download.min_duration_s", "no video would do"
    ),
    RunMistake("project: p\ndownload: {extractor_args: {a: b}}\n", 2, "download.extractor_args.a", "mapping"),
    RunMistake("project: p\nurls: [ftp://x]\n", 2, "urls[0]", "http://"),
    RunMistake("project: p\nurl_files: [none.txt]\n", 2, "url_files[0]", "cannot be read"),
    RunMistake("project: p\nstages: [search, extract]\n", 2, "stages", "should be the first of"),
    RunMistake("project: p\nstages: [search, paint]\n", 2, "stages[1]", "should be one of"),
    RunMistake(
        "project: p\nstages: [search, download, extract, filter]\n", 2, "filter.positive_prompts", "is empty"
    ),
    RunMistake(
        "project: p\nfilter:\n  positive_prompts: [a door]\n  thresholds:\n    door: 0.2\n",
        5,
        "filter.thresholds.door",
        "is none of positive_prompts",
    ),
    RunMistake("project: p\nfilter: {threshold: 2}\n", 2, "filter.threshold", "less than or equal to 1"),
    RunMistake("project: p\nextract: {mode: all}\n", 2, "extract.mode", "one of fps, keyframes"),
    RunMistake("project: p\nqueue:\n  lease_s: 15\n", 3, "queue.heartbeat_s", "more than half of lease_s"),
    RunMistake("project: p\nlogging: {level: LOUD}\n", 2, "logging.level", "one of DEBUG"),
    RunMistake("project: p\nworker:\n  port: 80\n", 3, "worker.port", "1024"),
    RunMistake(
        "project: p\ndownload: {max_duraton_s: null}\n",
        2,
        "download.max_duraton_s",
        "did you mean max_duration_s?",
    ),
    RunMistake("project: p\n\tsearch: x\n", 2, "", "tab"),
    RunMistake("- project\n", 1, "", "a list"),
    RunMistake("", 1, "", "empty"),
]
