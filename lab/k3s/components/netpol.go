package components

import (
	"context"
	"fmt"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// newNetworkPolicyCommand runs kube-router's network policy controller alone, as k3s does.
func newNetworkPolicyCommand() *cobra.Command {
	var kubeconfig, node, serviceCIDR, nodePorts string
	cmd := &cobra.Command{
		Use:          "kube-router",
		Short:        "Enforce network policies on this node",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			rest, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(rest)
			if err != nil {
				return err
			}
			return enforcePolicies(ctx, client, node, serviceCIDR, nodePorts)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig file")
	cmd.Flags().StringVar(&node, "hostname-override", "", "name of this node")
	cmd.Flags().StringVar(&serviceCIDR, "service-cluster-ip-range", "", "range of the service addresses")
	cmd.Flags().StringVar(&nodePorts, "service-node-port-range", "", "range of the node ports, as in 30000-32767")
	return cmd
}

func enforcePolicies(ctx context.Context, client kubernetes.Interface, node, serviceCIDR, nodePorts string) error {
	config := options.NewKubeRouterConfig()
	config.EnableIPv4 = true
	config.ClusterIPCIDRs = []string{serviceCIDR}
	config.NodePortRange = nodePorts
	config.HostnameOverride = node

	iptables, ipsets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("no list of %v from the API server", kind)
		}
	}

	// The controller reads the node's address once, so the node must be registered with one.
	var controller *netpol.NetworkPolicyController
	err = wait.PollUntilContextCancel(ctx, time.Second, true, func(context.Context) (bool, error) {
		var lock sync.Mutex
		controller, err = netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &lock, iptables, ipsets)
		if err != nil {
			klog.V(1).InfoS("Waiting for the node to be registered", "node", node, "reason", err)
		}
		return err == nil, nil
	})
	if err != nil {
		return err
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: controller.PodEventHandler, namespaces: controller.NamespaceEventHandler, policies: controller.NetworkPolicyEventHandler,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}

	beats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range beats {
			// The controller reports its health to whoever listens; its log is enough here.
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	controller.Run(beats, ctx.Done(), &running)
	return nil
}
