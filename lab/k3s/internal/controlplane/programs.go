package controlplane

import (
	"fmt"
	"strconv"

	"k3s/internal/process"
)

const issuer = "https://kubernetes.default.svc."

// program is one of this binary's own components with its common flags; given holds the user's, which come last
// and so win.
func (p *Plane) program(name string, args, given []string) process.Program {
	args = append([]string{name}, args...)
	return process.Program{Name: name, Path: p.self, Args: append(append(args, p.config.LogArgs()...), dashed(given)...)}
}

// dashed turns "name=value" of the configuration into flags.
func dashed(given []string) []string {
	flags := make([]string, 0, len(given))
	for _, item := range given {
		flags = append(flags, "--"+item)
	}
	return flags
}

func (p *Plane) apiServer() process.Program {
	c := p.config
	return p.program("kube-apiserver", []string{
		"--k3s-join-config=" + p.path(joinFile),
		"--bind-address=" + c.BindAddress,
		"--secure-port=" + strconv.Itoa(c.Port),
		"--advertise-address=" + c.AdvertiseAddress,
		"--allow-privileged=true",
		"--anonymous-auth=false",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + p.tls(clientCA) + ".crt",
		"--tls-cert-file=" + p.tls(apiServing) + ".crt",
		"--tls-private-key-file=" + p.tls(apiServing) + ".key",
		"--kubelet-certificate-authority=" + p.tls(serverCA) + ".crt",
		"--kubelet-client-certificate=" + p.tls(kubeletCaller) + ".crt",
		"--kubelet-client-key=" + p.tls(kubeletCaller) + ".key",
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--etcd-servers=" + fmt.Sprintf("https://%s:%d", loopback, etcdClientPort),
		"--etcd-cafile=" + p.tls(etcdCA) + ".crt",
		"--etcd-certfile=" + p.tls(etcdClientCert) + ".crt",
		"--etcd-keyfile=" + p.tls(etcdClientCert) + ".key",
		"--service-account-issuer=" + issuer + c.ClusterDomain,
		"--api-audiences=" + issuer + c.ClusterDomain + ",k3s",
		"--service-account-key-file=" + p.tls(serviceKey),
		"--service-account-signing-key-file=" + p.tls(serviceKey),
		"--service-cluster-ip-range=" + c.ServiceCIDR,
		"--service-node-port-range=" + c.NodePorts,
		"--profiling=false",
	}, c.APIServerArgs)
}

func (p *Plane) controllerManager() process.Program {
	c, kubeconfig := p.config, p.path("cred", "controller.kubeconfig")
	return p.program("kube-controller-manager", []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + loopback,
		"--secure-port=" + strconv.Itoa(managerPort),
		"--controllers=*,tokencleaner",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.tls(serviceKey),
		"--root-ca-file=" + p.tls(serverCA) + ".crt",
		"--cluster-signing-kube-apiserver-client-cert-file=" + p.tls(clientCA) + ".crt",
		"--cluster-signing-kube-apiserver-client-key-file=" + p.tls(clientCA) + ".key",
		"--cluster-signing-kubelet-client-cert-file=" + p.tls(clientCA) + ".crt",
		"--cluster-signing-kubelet-client-key-file=" + p.tls(clientCA) + ".key",
		"--cluster-signing-kubelet-serving-cert-file=" + p.tls(serverCA) + ".crt",
		"--cluster-signing-kubelet-serving-key-file=" + p.tls(serverCA) + ".key",
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + c.ClusterCIDR,
		"--service-cluster-ip-range=" + c.ServiceCIDR,
		"--configure-cloud-routes=false",
		"--leader-elect=" + strconv.FormatBool(c.Clustered()),
		"--profiling=false",
	}, c.ControllerArgs)
}

func (p *Plane) scheduler() process.Program {
	kubeconfig := p.path("cred", "scheduler.kubeconfig")
	return p.program("kube-scheduler", []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=" + loopback,
		"--secure-port=" + strconv.Itoa(schedulerPort),
		"--leader-elect=" + strconv.FormatBool(p.config.Clustered()),
		"--profiling=false",
	}, p.config.SchedulerArgs)
}
