// Package node runs what every node has, server or agent: containerd, the kubelet, kube-proxy, the network policy
// controller and the pod network.
package node

import (
	"context"
	"net"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"k3s/internal/config"
	"k3s/internal/join"
	"k3s/internal/pki"
	"k3s/internal/process"
)

// Ports of a node's programs.
const (
	kubeletPort       = 10250
	kubeletHealthPort = 10248
	proxyMetricsPort  = 10249
	proxyHealthPort   = 10256
	streamPort        = 10010
)

// Node is this machine as a node of a cluster.
type Node struct {
	config  *config.Config
	self    string // path of this program
	started time.Time
}

// New prepares nothing yet.
func New(c *config.Config, self string) *Node {
	return &Node{config: c, self: self, started: time.Now()}
}

// Ports are the addresses that must be free.
func (n *Node) Ports() []string {
	ports := []string{net.JoinHostPort("0.0.0.0", strconv.Itoa(kubeletPort))}
	for _, port := range []int{kubeletHealthPort, proxyMetricsPort, proxyHealthPort, streamPort} {
		ports = append(ports, net.JoinHostPort(loopback, strconv.Itoa(port)))
	}
	return ports
}

const loopback = "127.0.0.1"

// Dir is where the node's certificates lie.
func (n *Node) Dir() string {
	return n.path()
}

func (n *Node) path(parts ...string) string {
	return n.config.Path(append([]string{"agent"}, parts...)...)
}

// Start runs the node's programs with the certificates and settings of a finished join.
func (n *Node) Start(group *process.Group, server string, ca []byte, cluster join.Cluster) error {
	for file, certificate := range map[string]string{
		n.kubeconfig("kubelet"):       join.KubeletClient,
		n.kubeconfig("kubeproxy"):     join.ProxyClient,
		n.kubeconfig("k3scontroller"): join.NodeClient,
	} {
		if err := pki.WriteKubeconfig(file, server, ca, n.path(certificate), 0o600); err != nil {
			return err
		}
	}
	kubelet, err := n.kubelet(cluster)
	if err != nil {
		return err
	}
	group.Start(kubelet)
	if !cluster.WithoutProxy {
		proxy, err := n.proxy(cluster)
		if err != nil {
			return err
		}
		group.Start(proxy)
	}
	if !cluster.WithoutNetworkPolicy {
		group.Start(n.policies(cluster))
	}
	return nil
}

func (n *Node) kubeconfig(name string) string {
	return n.path(name + ".kubeconfig")
}

// client speaks to the API server as the node's own watcher.
func (n *Node) client() (*kubernetes.Clientset, error) {
	settings, err := clientcmd.BuildConfigFromFlags("", n.kubeconfig("k3scontroller"))
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(rest.AddUserAgent(settings, "k3s"))
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}
