package controlplane

import (
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"k3s/internal/pki"
)

// The names of the control plane's certificates below server/tls.
const (
	serverCA       = "server-ca"
	clientCA       = "client-ca"
	etcdCA         = "etcd/server-ca"
	serviceKey     = "service.key"
	apiServing     = "serving-kube-apiserver"
	kubeletCaller  = "client-kube-apiserver"
	adminClient    = "client-admin"
	managerClient  = "client-controller"
	schedulerCert  = "client-scheduler"
	etcdServing    = "etcd/server-client"
	etcdClientCert = "etcd/client"
)

// kubeletCallerName is the user as whom the API server calls kubelets; an object of this program lets it.
const kubeletCallerName = "kube-apiserver"

// makeCertificates keeps the authorities, certificates and kubeconfigs of the control plane.
func (p *Plane) makeCertificates() error {
	serving, err := pki.OpenAuthority(p.tls(serverCA), "k3s-server-ca")
	if err != nil {
		return err
	}
	clients, err := pki.OpenAuthority(p.tls(clientCA), "k3s-client-ca")
	if err != nil {
		return err
	}
	database, err := pki.OpenAuthority(p.tls(etcdCA), "etcd-server-ca")
	if err != nil {
		return err
	}
	for _, one := range []struct {
		authority *pki.Authority
		name      string
		subject   pki.Subject
	}{
		{serving, apiServing, pki.Subject{Name: "kube-apiserver", Hosts: p.hosts()}},
		{clients, kubeletCaller, pki.Subject{Name: kubeletCallerName}},
		{clients, adminClient, pki.Subject{Name: "system:admin", Groups: []string{"system:masters"}}},
		{clients, managerClient, pki.Subject{Name: "system:kube-controller-manager"}},
		{clients, schedulerCert, pki.Subject{Name: "system:kube-scheduler"}},
		{database, etcdServing, pki.Subject{Name: "etcd-server", Hosts: p.databaseHosts(), Peer: true}},
		{database, etcdClientCert, pki.Subject{Name: "etcd-client"}},
	} {
		if err := one.authority.Ensure(p.tls(one.name), one.subject); err != nil {
			return fmt.Errorf("certificate %s: %w", one.name, err)
		}
	}
	if err := pki.EnsureRSAKey(p.tls(serviceKey)); err != nil {
		return err
	}
	for file, name := range map[string]string{
		p.adminKubeconfig():                     adminClient,
		p.path("cred", "controller.kubeconfig"): managerClient,
		p.path("cred", "scheduler.kubeconfig"):  schedulerCert,
	} {
		if err := pki.WriteKubeconfig(file, p.LocalURL(), serving.PEM, p.tls(name), 0o600); err != nil {
			return err
		}
	}
	return p.writeUserKubeconfig(serving.PEM)
}

// writeUserKubeconfig writes k3s.yaml, the administrator's own.
func (p *Plane) writeUserKubeconfig(ca []byte) error {
	file := p.config.KubeconfigPath
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := pki.WriteKubeconfig(file, p.LocalURL(), ca, p.tls(adminClient), p.config.KubeconfigMode); err != nil {
		return err
	}
	if p.config.KubeconfigGroup == "" {
		return nil
	}
	group, err := user.LookupGroup(p.config.KubeconfigGroup)
	if err != nil {
		return fmt.Errorf("write-kubeconfig-group: %w", err)
	}
	id, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	return os.Chown(file, -1, id)
}

// hosts are the names and addresses by which the API server is called.
func (p *Plane) hosts() []string {
	domain := p.config.ClusterDomain
	hosts := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + domain,
		"localhost", loopback, p.config.NodeName, p.config.NodeIP, p.config.AdvertiseAddress,
	}
	if services, err := netip.ParsePrefix(p.config.ServiceCIDR); err == nil {
		hosts = append(hosts, services.Addr().Next().String())
	}
	if p.config.BindAddress != "0.0.0.0" {
		hosts = append(hosts, p.config.BindAddress)
	}
	return append(hosts, p.config.TLSNames...)
}
