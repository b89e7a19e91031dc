package node

import (
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"k3s/internal/files"
	"k3s/internal/host"
	"k3s/internal/join"
	"k3s/internal/process"
)

// program is one of this binary's own components; the user's flags come last and so win.
func (n *Node) program(name string, args, given []string) process.Program {
	args = append([]string{name}, args...)
	args = append(args, n.config.LogArgs()...)
	for _, item := range given {
		args = append(args, "--"+item)
	}
	return process.Program{Name: name, Path: n.self, Args: args}
}

// oomScore keeps the kernel from killing a program before the pods, where this process may ask for that.
func oomScore() int {
	if host.Restricted() {
		return 0
	}
	return -999
}

func (n *Node) kubelet(cluster join.Cluster) (process.Program, error) {
	c := n.config
	resolvConf, err := n.resolvConf()
	if err != nil {
		return process.Program{}, err
	}
	manifests := n.path("pod-manifests")
	if err := os.MkdirAll(manifests, 0o700); err != nil {
		return process.Program{}, err
	}
	file, err := n.writeSettings("kubelet.yaml", map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": n.path("client-ca.crt")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"tlsCertFile":              n.path(join.KubeletServing + ".crt"),
		"tlsPrivateKeyFile":        n.path(join.KubeletServing + ".key"),
		"port":                     kubeletPort,
		"healthzBindAddress":       loopback,
		"healthzPort":              kubeletHealthPort,
		"cgroupDriver":             "cgroupfs",
		"clusterDNS":               []string{cluster.ClusterDNS},
		"clusterDomain":            cluster.ClusterDomain,
		"containerRuntimeEndpoint": "unix://" + Address,
		"imageServiceEndpoint":     "unix://" + imageAddress,
		"resolvConf":               resolvConf,
		"staticPodPath":            manifests,
		"failSwapOn":               false,
		"protectKernelDefaults":    c.ProtectKernel,
		"oomScoreAdj":              oomScore(),
		"evictionHard":             map[string]string{"imagefs.available": "5%", "nodefs.available": "5%"},
		"evictionMinimumReclaim":   map[string]string{"imagefs.available": "10%", "nodefs.available": "10%"},
		"registerWithTaints":       c.NodeTaints,
	})
	if err != nil {
		return process.Program{}, err
	}
	args := []string{
		"--config=" + file,
		"--kubeconfig=" + n.kubeconfig("kubelet"),
		"--hostname-override=" + c.NodeName,
		"--node-ip=" + c.NodeIP,
		"--node-labels=" + strings.Join(append([]string{"node.kubernetes.io/instance-type=k3s"}, c.NodeLabels...), ","),
		"--pod-infra-container-image=" + c.PauseImage,
		"--containerd=" + Address,
	}
	return n.program("kubelet", args, c.KubeletArgs), nil
}

func (n *Node) proxy(cluster join.Cluster) (process.Program, error) {
	file, err := n.writeSettings("kube-proxy.yaml", map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"clientConnection":   map[string]any{"kubeconfig": n.kubeconfig("kubeproxy")},
		"hostnameOverride":   n.config.NodeName,
		"mode":               "iptables",
		"clusterCIDR":        cluster.ClusterCIDR,
		"healthzBindAddress": fmt.Sprintf("%s:%d", loopback, proxyHealthPort),
		"metricsBindAddress": fmt.Sprintf("%s:%d", loopback, proxyMetricsPort),
		"oomScoreAdj":        oomScore(),
		// Settings of connection tracking belong to the machine, not to a node on it.
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
		},
	})
	if err != nil {
		return process.Program{}, err
	}
	return n.program("kube-proxy", []string{"--config=" + file}, n.config.ProxyArgs), nil
}

func (n *Node) policies(cluster join.Cluster) process.Program {
	return process.Program{Name: "kube-router", Path: n.self, Args: []string{
		"kube-router",
		"--kubeconfig=" + n.kubeconfig("k3scontroller"),
		"--hostname-override=" + n.config.NodeName,
		"--service-cluster-ip-range=" + cluster.ServiceCIDR,
		"--service-node-port-range=" + cluster.NodePorts,
	}}
}

func (n *Node) writeSettings(name string, settings map[string]any) (string, error) {
	content, err := yaml.Marshal(settings)
	if err != nil {
		return "", err
	}
	file := n.path("etc", name)
	_, err = files.Write(file, content, 0o600)
	return file, err
}

// resolvConf is the list of name servers for pods that use the node's; an empty one where the machine has none
// that a pod could reach.
func (n *Node) resolvConf() (string, error) {
	if n.config.ResolvConf != "" {
		return n.config.ResolvConf, nil
	}
	if file := host.ResolvConf(); file != "" {
		return file, nil
	}
	file := n.path("etc", "resolv.conf")
	_, err := files.Write(file, []byte("# This node knows no name server that pods can reach.\n"), 0o644)
	return file, err
}
