package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// What k3s writes on a server's node: the finalizer keeps a deleted node until its member has left the database.
const (
	memberLabel     = "node-role.kubernetes.io/etcd"
	memberFinalizer = "wrangler.cattle.io/managed-etcd-controller"
	memberAddress   = "etcd.k3s.cattle.io/node-address"
	voterCondition  = "EtcdIsVoter"

	serversPause = 3 * time.Second
)

// memberMetadata is what the node of a server that shares its database says of it.
func (p *Plane) memberMetadata() map[string]any {
	return map[string]any{
		"labels": map[string]string{
			"node-role.kubernetes.io/control-plane": "true",
			"node-role.kubernetes.io/master":        "true",
			memberLabel:                             "true",
		},
		"annotations": map[string]string{memberAddress: p.config.NodeIP},
		"finalizers":  []string{memberFinalizer},
	}
}

// WatchServers keeps the members of the database to the servers that have a node, until ctx is done.
func (p *Plane) WatchServers(ctx context.Context) {
	client, err := p.adminClient()
	if err != nil {
		log.Printf("servers cannot be watched: %v", err)
		return
	}
	told := ""
	for sleep(ctx, serversPause) == nil {
		if err := p.keepServers(ctx, client); err != nil && ctx.Err() == nil && err.Error() != told {
			told = err.Error()
			log.Printf("servers: %v", err)
		}
	}
}

func (p *Plane) keepServers(ctx context.Context, client kubernetes.Interface) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: memberLabel + "=true", ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		switch {
		case node.Name == p.config.NodeName:
			err = sayVoter(ctx, client, &node)
		case node.DeletionTimestamp != nil && slices.Contains(node.Finalizers, memberFinalizer):
			err = p.forget(ctx, client, &node)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", node.Name, err)
		}
	}
	return nil
}

// sayVoter notes on this server's own node that its member has a vote; without one it would not run.
func sayVoter(ctx context.Context, client kubernetes.Interface, node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type == voterCondition && condition.Status == corev1.ConditionTrue {
			return nil
		}
	}
	now := metav1.Now()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{{
		Type: voterCondition, Status: corev1.ConditionTrue, Reason: "MemberNotLearner",
		Message: "the member of this node has a vote", LastHeartbeatTime: now, LastTransitionTime: now,
	}}}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(
		ctx, node.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

// forget removes a deleted server's member; etcd refuses where too few would be left to decide.
func (p *Plane) forget(ctx context.Context, client kubernetes.Interface, node *corev1.Node) error {
	database, err := p.database(p.localDatabase())
	if err != nil {
		return err
	}
	defer database.Close()
	if err := removeMember(ctx, database, p.databaseURL(node.Annotations[memberAddress], etcdPeerPort)); err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(node.Finalizers), func(one string) bool { return one == memberFinalizer })
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": kept}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func removeMember(ctx context.Context, database *clientv3.Client, peer string) error {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	listed, err := database.MemberList(ctx)
	if err != nil {
		return err
	}
	member := memberAt(listed.Members, peer)
	if member == nil {
		return nil
	}
	_, err = database.MemberRemove(ctx, member.ID)
	if err == nil {
		log.Printf("the member %s has left the database", member.Name)
	}
	return err
}
