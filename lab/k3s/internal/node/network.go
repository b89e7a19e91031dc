package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"path/filepath"
	"time"

	"github.com/coreos/go-iptables/iptables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"k3s/internal/files"
	"k3s/internal/host"
	"k3s/internal/join"
)

const (
	bridge = "cni0"
	// routeProtocol marks our routes, so that those of others are never touched.
	routeProtocol = 77
	// The route for pods of no node is worse than any other, so that it counts last.
	worstPriority = 9999
	// Rules and routes are looked after this often even when no node changes.
	checkPause = 30 * time.Second
	// A network that cannot be set up is tried again after this.
	retryPause = 2 * time.Second
)

// The chains that hold our rules.
const (
	natChain     = "K3S-POSTROUTING"
	forwardChain = "K3S-FORWARD"
)

// PrepareNetwork sets what a reboot of the machine forgets.
func PrepareNetwork() error {
	if err := host.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
		return err
	}
	// Traffic between two pods of one node must pass kube-proxy's rules too.
	return host.Sysctl("net.bridge.bridge-nf-call-iptables", "1")
}

// Network keeps the pod network of this node: the CNI configuration with its own range of addresses, a plain route
// to the range of each other node, and rules that let pods out.
type Network struct {
	node    *Node
	cluster join.Cluster
	tables  *iptables.IPTables
	store   cache.Store
	changed chan struct{}
}

// WatchNetwork keeps the network until ctx is done.
func (n *Node) WatchNetwork(ctx context.Context, cluster join.Cluster) (*Network, error) {
	client, err := n.client()
	if err != nil {
		return nil, err
	}
	tables, err := iptables.New()
	if err != nil {
		return nil, err
	}
	w := &Network{node: n, cluster: cluster, tables: tables, changed: make(chan struct{}, 1)}
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Nodes().Informer()
	w.store = informer.GetStore()
	notify := func() {
		select {
		case w.changed <- struct{}{}:
		default: // a look is due anyway
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(_, _ any) { notify() },
		DeleteFunc: func(any) { notify() },
	})
	if err != nil {
		return nil, err
	}
	if err := w.clearRules(); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	go w.keep(ctx, informer.HasSynced)
	return w, nil
}

func (w *Network) keep(ctx context.Context, synced cache.InformerSynced) {
	if !cache.WaitForCacheSync(ctx.Done(), synced) {
		return
	}
	told := ""
	for {
		pause := checkPause
		if err := w.converge(); err != nil {
			if err.Error() != told {
				log.Printf("the pod network is not complete: %v", err)
			}
			told, pause = err.Error(), retryPause
		} else {
			told = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-w.changed:
		case <-time.After(pause):
		}
	}
}

// converge does whatever the present nodes ask for and is not done yet.
func (w *Network) converge() error {
	problems := []error{w.ensureRules()}
	wanted := map[string]net.IP{}
	for _, item := range w.store.List() {
		node, ok := item.(*corev1.Node)
		if !ok || node.Spec.PodCIDR == "" {
			continue
		}
		if node.Name == w.node.config.NodeName {
			problems = append(problems, w.node.writeCNI(node.Spec.PodCIDR))
		} else if address := internalIP(node); address != nil {
			wanted[node.Spec.PodCIDR] = address
		}
	}
	problems = append(problems, ensureRoutes(w.cluster.ClusterCIDR, wanted))
	return errors.Join(problems...)
}

func internalIP(node *corev1.Node) net.IP {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return net.ParseIP(address.Address)
		}
	}
	return nil
}

// ensureRoutes makes the routes to the other nodes' pods and removes those of nodes that are gone.
func ensureRoutes(clusterCIDR string, wanted map[string]net.IP) error {
	filter := &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN}
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return err
	}
	present := map[string]net.IP{}
	for i := range have {
		if have[i].Dst == nil {
			continue
		}
		target := have[i].Dst.String()
		if _, keep := wanted[target]; keep || target == clusterCIDR {
			present[target] = have[i].Gw
		} else if err := netlink.RouteDel(&have[i]); err == nil {
			log.Printf("removed the route to %s: its node is gone", target)
		}
	}
	// Packets for pods of a node that is gone must not leave by the default route.
	_, everything, err := net.ParseCIDR(clusterCIDR)
	if err != nil {
		return err
	}
	problems := []error{netlink.RouteReplace(&netlink.Route{
		Dst: everything, Type: unix.RTN_UNREACHABLE, Priority: worstPriority, Protocol: routeProtocol,
	})}
	for target, gateway := range wanted {
		if gateway.Equal(present[target]) {
			continue
		}
		_, network, err := net.ParseCIDR(target)
		if err == nil {
			err = netlink.RouteReplace(&netlink.Route{Dst: network, Gw: gateway, Protocol: routeProtocol})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("route to %s via %s (nodes must be in one network): %w", target, gateway, err))
		} else {
			log.Printf("pods in %s are reached via %s", target, gateway)
		}
	}
	return errors.Join(problems...)
}

// clearRules empties our chains: the ranges may be others than at the last start.
func (w *Network) clearRules() error {
	return errors.Join(w.tables.ClearChain("nat", natChain), w.tables.ClearChain("filter", forwardChain))
}

// ensureRules lets traffic of pods be forwarded, and gives it the node's address when it leaves the cluster.
func (w *Network) ensureRules() error {
	pods := w.cluster.ClusterCIDR
	for _, rule := range []struct {
		table, chain string
		spec         []string
	}{
		{"nat", natChain, []string{"-s", pods, "-d", pods, "-j", "RETURN"}},
		{"nat", natChain, []string{"-s", pods, "!", "-d", "224.0.0.0/4", "-j", "MASQUERADE", "--random-fully"}},
		{"nat", "POSTROUTING", []string{"-m", "comment", "--comment", "pods leaving the cluster", "-j", natChain}},
		{"filter", forwardChain, []string{"-s", pods, "-j", "ACCEPT"}},
		{"filter", forwardChain, []string{"-d", pods, "-j", "ACCEPT"}},
		{"filter", "FORWARD", []string{"-m", "comment", "--comment", "traffic of pods", "-j", forwardChain}},
	} {
		if err := w.ensureChain(rule.table, rule.chain); err != nil {
			return err
		}
		if err := w.tables.AppendUnique(rule.table, rule.chain, rule.spec...); err != nil {
			return err
		}
	}
	return nil
}

func (w *Network) ensureChain(table, chain string) error {
	exists, err := w.tables.ChainExists(table, chain)
	if err != nil || exists {
		return err
	}
	return w.tables.NewChain(table, chain)
}

func (n *Node) cniDir() string {
	return n.path("etc", "cni", "net.d")
}

// writeCNI tells containerd how to connect pods; a node that got another range of addresses gets a new bridge.
func (n *Node) writeCNI(podCIDR string) error {
	content, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "k3s",
		"plugins": []map[string]any{
			{
				"type":             "bridge",
				"bridge":           bridge,
				"isDefaultGateway": true,
				"hairpinMode":      true,
				"ipMasq":           false,
				"ipam": map[string]any{
					"type": "host-local",
					// Kept over reboots: an address is not given again while others may still send to it.
					"dataDir": n.path("cni"),
					"ranges":  [][]map[string]string{{{"subnet": podCIDR}}},
				},
			},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}, "snat": true},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	changed, err := files.Write(filepath.Join(n.cniDir(), "10-k3s.conflist"), content, 0o600)
	if err != nil || !changed {
		return err
	}
	log.Printf("this node's pods are in %s", podCIDR)
	return dropForeignBridge(podCIDR)
}

// dropForeignBridge removes a bridge that is left from another range.
func dropForeignBridge(podCIDR string) error {
	_, network, err := net.ParseCIDR(podCIDR)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(bridge)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if !network.Contains(address.IP) {
			log.Printf("removing bridge %s: its address %s is not in %s", bridge, address.IP, podCIDR)
			return netlink.LinkDel(link)
		}
	}
	return nil
}

// Ready says that the kubelet of this start reported the node ready.
func (w *Network) Ready() bool {
	item, found, err := w.store.GetByKey(w.node.config.NodeName)
	if err != nil || !found {
		return false
	}
	node, ok := item.(*corev1.Node)
	if !ok {
		return false
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			// An older report is of the last start. The API keeps whole seconds.
			return !condition.LastHeartbeatTime.Time.Before(w.node.started.Truncate(time.Second))
		}
	}
	return false
}

// AwaitReady returns once the node is ready.
func (w *Network) AwaitReady(ctx context.Context) error {
	for !w.Ready() {
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
