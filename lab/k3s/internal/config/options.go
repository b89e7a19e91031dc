package config

import (
	"fmt"
	"strings"
)

// Role is what this node is: a server or an agent.
type Role string

// The two roles of a node.
const (
	Server Role = "server"
	Agent  Role = "agent"
)

type kind int

const (
	text kind = iota // one value; the last one given counts
	flag             // true or false
	list             // any number of values
)

// An option is a key of config.yaml and, with two dashes, a flag on the command line: k3s has one list for both.
type option struct {
	name  string
	short string
	env   string
	kind  kind
	// agents says that an agent takes the option too; servers take all options.
	agents bool
	// ignored: accepted as k3s does, with no effect here. The text says why none is missed.
	ignored string
	// refused: this program cannot do what the option asks for. The text says what to do instead.
	refused string
}

const (
	noCloud     = "there is no cloud controller here; addresses of a node are its node-ip"
	noSnapshots = "etcd is not copied to snapshots here; save the data directory of a stopped server instead"
	noPackaged  = "none of the packaged Helm charts is part of this program"
	noFlannel   = "pods are reached over plain routes instead of flannel"
	oneStore    = "the only datastore here is the embedded etcd; remove the key"
	ownRuntime  = "the only runtime here is containerd; remove the key"
	noRegistry  = "registries.yaml is not read; import images with agent/images or `k3s ctr images import`"
	noReset     = "cluster-reset is not supported; start with an empty data directory"
	noSELinux   = "SELinux is not supported; remove the key"
)

var options = []option{
	{name: "config", short: "c", env: "K3S_CONFIG_FILE", agents: true},
	{name: "debug", kind: flag, env: "K3S_DEBUG", agents: true},
	{name: "v", agents: true},
	{name: "vmodule", agents: true},
	{name: "log", short: "l", agents: true, refused: "logs go to standard output; let systemd keep them"},
	{name: "alsologtostderr", kind: flag, agents: true, ignored: "logs go to standard output and standard error"},

	{name: "bind-address"},
	{name: "https-listen-port"},
	{name: "supervisor-port", refused: "nodes join on https-listen-port; remove the key"},
	{name: "apiserver-port", refused: "the API server listens on https-listen-port; remove the key"},
	{name: "apiserver-bind-address", refused: "use bind-address"},
	{name: "advertise-address"},
	{name: "advertise-port", refused: "the advertised port is https-listen-port; remove the key"},
	{name: "tls-san", kind: list},
	{name: "tls-san-security", kind: flag, ignored: "the certificate never takes names from requests"},
	{name: "data-dir", short: "d", env: "K3S_DATA_DIR", agents: true},
	{name: "cluster-cidr", kind: list},
	{name: "service-cidr", kind: list},
	{name: "service-node-port-range"},
	{name: "cluster-dns", kind: list},
	{name: "cluster-domain"},
	{name: "flannel-backend"},
	{name: "flannel-ipv6-masq", kind: flag, refused: "the network here is IPv4 only"},
	{name: "flannel-external-ip", kind: flag, refused: noFlannel},
	{name: "egress-selector-mode", ignored: "the API server reaches nodes directly"},
	{name: "servicelb-namespace", ignored: noPackaged},
	{name: "write-kubeconfig", short: "o", env: "K3S_KUBECONFIG_OUTPUT"},
	{name: "write-kubeconfig-mode", env: "K3S_KUBECONFIG_MODE"},
	{name: "write-kubeconfig-group", env: "K3S_KUBECONFIG_GROUP"},
	{name: "helm-job-image", ignored: noPackaged},
	{name: "token", short: "t", env: "K3S_TOKEN", agents: true},
	{name: "token-file", env: "K3S_TOKEN_FILE", agents: true},
	{name: "agent-token", env: "K3S_AGENT_TOKEN"},
	{name: "agent-token-file", env: "K3S_AGENT_TOKEN_FILE"},
	{name: "server", short: "s", env: "K3S_URL", agents: true},
	{name: "cluster-init", kind: flag, env: "K3S_CLUSTER_INIT"},
	{name: "cluster-reset", kind: flag, env: "K3S_CLUSTER_RESET", refused: noReset},
	{name: "cluster-reset-restore-path", refused: noReset},
	{name: "kube-apiserver-arg", kind: list},
	{name: "etcd-arg", kind: list, refused: "etcd takes no further settings here; remove the key"},
	{name: "kube-controller-manager-arg", kind: list},
	{name: "kube-scheduler-arg", kind: list},
	{name: "kube-cloud-controller-manager-arg", kind: list, refused: noCloud},
	{name: "datastore-endpoint", env: "K3S_DATASTORE_ENDPOINT", refused: oneStore},
	{name: "datastore-cafile", env: "K3S_DATASTORE_CAFILE", refused: oneStore},
	{name: "datastore-certfile", env: "K3S_DATASTORE_CERTFILE", refused: oneStore},
	{name: "datastore-keyfile", env: "K3S_DATASTORE_KEYFILE", refused: oneStore},
	{name: "kine-tls", kind: flag, refused: oneStore},
	{name: "etcd-expose-metrics", kind: flag, refused: "etcd's metrics stay private here; remove the key"},
	{name: "etcd-disable-snapshots", kind: flag, ignored: noSnapshots},
	{name: "etcd-snapshot-name", refused: noSnapshots},
	{name: "etcd-snapshot-schedule-cron", refused: noSnapshots},
	{name: "etcd-snapshot-retention", refused: noSnapshots},
	{name: "etcd-snapshot-dir", refused: noSnapshots},
	{name: "etcd-snapshot-compress", kind: flag, refused: noSnapshots},
	{name: "etcd-s3", kind: flag, refused: noSnapshots},
	{name: "etcd-s3-endpoint", refused: noSnapshots},
	{name: "etcd-s3-endpoint-ca", refused: noSnapshots},
	{name: "etcd-s3-skip-ssl-verify", kind: flag, refused: noSnapshots},
	{name: "etcd-s3-access-key", refused: noSnapshots},
	{name: "etcd-s3-secret-key", refused: noSnapshots},
	{name: "etcd-s3-bucket", refused: noSnapshots},
	{name: "etcd-s3-region", refused: noSnapshots},
	{name: "etcd-s3-folder", refused: noSnapshots},
	{name: "etcd-s3-proxy", refused: noSnapshots},
	{name: "etcd-s3-config-secret", refused: noSnapshots},
	{name: "etcd-s3-insecure", kind: flag, refused: noSnapshots},
	{name: "etcd-s3-timeout", refused: noSnapshots},
	{name: "default-local-storage-path", ignored: noPackaged},
	{name: "disable", kind: list},
	{name: "disable-scheduler", kind: flag},
	{name: "disable-cloud-controller", kind: flag, ignored: noCloud},
	{name: "disable-kube-proxy", kind: flag},
	{name: "disable-network-policy", kind: flag},
	{name: "disable-helm-controller", kind: flag, ignored: noPackaged},
	{name: "disable-agent", kind: flag, refused: "a server here is always a node too; taint it instead"},
	{name: "disable-apiserver", kind: flag, refused: "a server here runs the whole control plane"},
	{name: "disable-controller-manager", kind: flag, refused: "a server here runs the whole control plane"},
	{name: "disable-etcd", kind: flag, refused: "a server here runs the whole control plane"},
	{name: "embedded-registry", kind: flag, refused: noRegistry},
	{name: "supervisor-metrics", kind: flag, refused: "there are no metrics of the launcher"},
	{name: "secrets-encryption", kind: flag, refused: "secrets are not encrypted in the database; remove the key"},
	{name: "enable-pprof", kind: flag, refused: "there is no profiling endpoint"},

	{name: "node-name", env: "K3S_NODE_NAME", agents: true},
	{name: "with-node-id", kind: flag, agents: true, refused: "give every node its own node-name"},
	{name: "node-label", kind: list, agents: true},
	{name: "node-taint", kind: list, agents: true},
	{name: "node-ip", short: "i", kind: list, agents: true},
	{name: "node-external-ip", kind: list, agents: true, ignored: noCloud},
	{name: "node-internal-dns", kind: list, agents: true, ignored: noCloud},
	{name: "node-external-dns", kind: list, agents: true, ignored: noCloud},
	{name: "image-credential-provider-bin-dir", agents: true, ignored: "images are never pulled with credentials here"},
	{name: "image-credential-provider-config", agents: true, ignored: "images are never pulled with credentials here"},
	{name: "docker", kind: flag, agents: true, refused: ownRuntime},
	{name: "container-runtime-endpoint", agents: true, refused: ownRuntime},
	{name: "image-service-endpoint", agents: true, refused: ownRuntime},
	{name: "default-runtime", agents: true},
	{name: "disable-default-registry-endpoint", kind: flag, agents: true, refused: noRegistry},
	{name: "nonroot-devices", kind: flag, agents: true, refused: ownRuntime},
	{name: "pause-image", agents: true},
	{name: "snapshotter", agents: true},
	{name: "private-registry", agents: true, refused: noRegistry},
	{name: "system-default-registry", env: "K3S_SYSTEM_DEFAULT_REGISTRY", refused: noRegistry},
	{name: "airgap-extra-registry", kind: list, agents: true, refused: noRegistry},
	{name: "resolv-conf", env: "K3S_RESOLV_CONF", agents: true},
	{name: "flannel-iface", agents: true, ignored: noFlannel},
	{name: "flannel-conf", agents: true, refused: noFlannel},
	{name: "flannel-cni-conf", agents: true, refused: noFlannel},
	{name: "vpn-auth", env: "K3S_VPN_AUTH", agents: true, refused: noFlannel},
	{name: "vpn-auth-file", env: "K3S_VPN_AUTH_FILE", agents: true, refused: noFlannel},
	{name: "kubelet-arg", kind: list, agents: true},
	{name: "kube-proxy-arg", kind: list, agents: true},
	{name: "protect-kernel-defaults", kind: flag, agents: true},
	{name: "selinux", kind: flag, env: "K3S_SELINUX", agents: true, refused: noSELinux},
	{name: "lb-server-port", env: "K3S_LB_SERVER_PORT", agents: true},
	{name: "prefer-bundled-bin", kind: flag, agents: true, ignored: "containerd and the other programs are the node's own"},
	{name: "rootless", kind: flag, agents: true, refused: "this program needs root"},
}

func find(name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

func findShort(short string) *option {
	for i := range options {
		if options[i].short == short && short != "" {
			return &options[i]
		}
	}
	return nil
}

func (o option) takenBy(role Role) bool {
	return role == Server || o.agents
}

// Usage lists the options of a role.
func Usage(role Role) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Usage: k3s %s [FLAGS]\n\nEach flag is also a key of %s, without the dashes.\n\n", role, DefaultFile)
	for _, option := range options {
		if !option.takenBy(role) || option.refused != "" {
			continue
		}
		name := "--" + option.name
		if option.kind != flag {
			name += " VALUE"
		}
		if option.kind == list {
			name += " (repeatable)"
		}
		if option.short != "" {
			name += ", -" + option.short
		}
		var remarks []string
		if option.env != "" {
			remarks = append(remarks, "$"+option.env)
		}
		if option.ignored != "" {
			remarks = append(remarks, "no effect: "+option.ignored)
		}
		fmt.Fprintf(&text, "  %-44s %s\n", name, strings.Join(remarks, "; "))
	}
	return text.String()
}
