package node

import (
	"context"
	"errors"
	"log"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"k3s/internal/host"
	"k3s/internal/join"
)

const (
	// Rules and routes are looked after this often even when no node changes.
	checkPause = 30 * time.Second
	// A network that cannot be set up is tried again after this.
	retryPause = 2 * time.Second
	readyPause = 200 * time.Millisecond
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
	rules   *rules
	store   cache.Store
	changed chan struct{}
}

// WatchNetwork keeps the network until ctx is done.
func (n *Node) WatchNetwork(ctx context.Context, cluster join.Cluster) (*Network, error) {
	client, err := n.client()
	if err != nil {
		return nil, err
	}
	rules, err := newRules(cluster.ClusterCIDR)
	if err != nil {
		return nil, err
	}
	w := &Network{node: n, cluster: cluster, rules: rules, changed: make(chan struct{}, 1)}
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
		AddFunc: func(any) { notify() },
		UpdateFunc: func(before, after any) {
			if placeOf(before) != placeOf(after) { // reports of health are many and change nothing here
				notify()
			}
		},
		DeleteFunc: func(any) { notify() },
	})
	if err != nil {
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
	problems := []error{w.rules.ensure()}
	wanted := map[string]net.IP{}
	for _, item := range w.store.List() {
		one := placeOf(item)
		switch {
		case one.pods == "":
		case one.name == w.node.config.NodeName:
			problems = append(problems, w.node.writeCNI(one.pods))
		case one.address != "":
			wanted[one.pods] = net.ParseIP(one.address)
		}
	}
	problems = append(problems, ensureRoutes(w.cluster.ClusterCIDR, wanted))
	return errors.Join(problems...)
}

// place is where a node's pods are.
type place struct{ name, pods, address string }

func placeOf(item any) place {
	node, ok := item.(*corev1.Node)
	if !ok {
		return place{}
	}
	one := place{name: node.Name, pods: node.Spec.PodCIDR}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			one.address = address.Address
			break
		}
	}
	return one
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
		if err := sleep(ctx, readyPause); err != nil {
			return err
		}
	}
	return nil
}
