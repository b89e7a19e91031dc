// Package controlplane runs what makes a node a server: etcd, the API server, the controller manager and the
// scheduler, with the certificates, tokens and objects that they and the cluster's nodes need.
package controlplane

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
	"k3s/internal/process"
)

// Ports of the control plane besides the API server's own.
const (
	etcdClientPort = 2379
	etcdPeerPort   = 2380
	managerPort    = 10257
	schedulerPort  = 10259
)

const (
	loopback   = "127.0.0.1"
	etcdPause  = 100 * time.Millisecond
	readyPause = 200 * time.Millisecond
)

// Plane is the control plane of this server.
type Plane struct {
	config *config.Config
	self   string // path of this program
	seed   string // client URL of the database that this server joins; empty before and unless it does
}

// New prepares nothing yet.
func New(c *config.Config, self string) *Plane {
	return &Plane{config: c, self: self}
}

// Ports are the addresses that must be free.
func (p *Plane) Ports() []string {
	ports := []string{net.JoinHostPort(p.config.BindAddress, strconv.Itoa(p.config.Port))}
	for _, port := range []int{etcdClientPort, managerPort, schedulerPort} {
		ports = append(ports, net.JoinHostPort(loopback, strconv.Itoa(port)))
	}
	return append(ports, net.JoinHostPort(p.databaseHost(), strconv.Itoa(etcdPeerPort)))
}

// LocalURL is how programs of this machine reach the API server.
func (p *Plane) LocalURL() string {
	address := p.config.BindAddress
	if address == "0.0.0.0" {
		address = loopback
	}
	return "https://" + net.JoinHostPort(address, strconv.Itoa(p.config.Port))
}

func (p *Plane) path(parts ...string) string {
	return p.config.Path(append([]string{"server"}, parts...)...)
}

func (p *Plane) tls(name string) string {
	return p.path("tls", name)
}

func (p *Plane) adminKubeconfig() string {
	return p.path("cred", "admin.kubeconfig")
}

// Start makes the files that are missing, starts the control plane's programs and waits for the API server.
func (p *Plane) Start(ctx context.Context, group *process.Group) error {
	if err := p.fetchShared(ctx); err != nil {
		return err
	}
	if err := p.makeCertificates(); err != nil {
		return err
	}
	if err := p.makeTokens(); err != nil {
		return err
	}
	if err := p.writeJoinSettings(); err != nil {
		return err
	}
	if err := p.startDatabase(ctx, group); err != nil {
		return err
	}
	group.Start(p.apiServer())
	if err := p.awaitAPI(ctx); err != nil {
		return err
	}
	group.Start(p.controllerManager())
	if !p.config.WithoutScheduler {
		group.Start(p.scheduler())
	}
	return nil
}

// Cluster is what the nodes are told.
func (p *Plane) Cluster() join.Cluster {
	return join.Cluster{
		ClusterCIDR:          p.config.ClusterCIDR,
		ServiceCIDR:          p.config.ServiceCIDR,
		NodePorts:            p.config.NodePorts,
		ClusterDNS:           p.config.ClusterDNS,
		ClusterDomain:        p.config.ClusterDomain,
		WithoutProxy:         p.config.WithoutProxy,
		WithoutNetworkPolicy: p.config.WithoutNetworkPolicy,
	}
}

func (p *Plane) admin() (*rest.Config, error) {
	settings, err := clientcmd.BuildConfigFromFlags("", p.adminKubeconfig())
	if err != nil {
		return nil, err
	}
	settings.QPS, settings.Burst = 50, 100
	return settings, nil
}

func (p *Plane) adminClient() (*kubernetes.Clientset, error) {
	settings, err := p.admin()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(settings)
}

// awaitAPI returns once the API server says that it is ready.
func (p *Plane) awaitAPI(ctx context.Context) error {
	client, err := p.adminClient()
	if err != nil {
		return err
	}
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if err := sleep(ctx, readyPause); err != nil {
			return err
		}
	}
}

func awaitPort(ctx context.Context, address string) error {
	for {
		connection, err := net.DialTimeout("tcp4", address, time.Second)
		if err == nil {
			return connection.Close()
		}
		if err := sleep(ctx, etcdPause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}
