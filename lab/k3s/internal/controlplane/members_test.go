package controlplane

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// freeURL is an address of this machine that nobody listens on.
func freeURL(t *testing.T) url.URL {
	t.Helper()
	listener, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	return url.URL{Scheme: "http", Host: net.JoinHostPort(loopback, strconv.Itoa(port))}
}

// member starts one, which joins the others of cluster where that is not empty.
func member(t *testing.T, name, cluster string, peer url.URL) (*embed.Etcd, string) {
	t.Helper()
	client := freeURL(t)
	settings := embed.NewConfig()
	settings.Name, settings.Dir, settings.LogLevel = name, t.TempDir(), "error"
	settings.ListenClientUrls, settings.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	settings.ListenPeerUrls, settings.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	settings.InitialCluster = name + "=" + peer.String()
	if cluster != "" {
		settings.InitialCluster, settings.ClusterState = cluster, embed.ClusterStateFlagExisting
	}
	started, err := embed.StartEtcd(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(started.Close)
	<-started.Server.ReadyNotify()
	return started, client.String()
}

func TestAServerEntersIsRefusedWithoutItsDataAndLeaves(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, seed := member(t, "one", "", freeURL(t))
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{seed}, DialTimeout: memberTimeout})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	peer := freeURL(t)
	entry, err := enter(ctx, client, "two", peer.String())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := enter(ctx, client, "two", peer.String()); err != nil || again.Member != entry.Member {
		t.Errorf("an interrupted attempt does not go on: %v %v", again, err)
	}
	member(t, "two", entry.Cluster, peer)
	for {
		if _, err = client.MemberPromote(ctx, entry.Member); err == nil {
			break
		}
		if sleep(ctx, etcdPause) != nil {
			t.Fatal(err)
		}
	}
	var refused *refusedError
	if _, err := enter(ctx, client, "two", peer.String()); !errors.As(err, &refused) || !strings.Contains(err.Error(), "kubectl delete node") {
		t.Error(err)
	}
	for {
		// etcd lets go only of members whose others it has been connected to for a while
		if err = removeMember(ctx, client, peer.String()); err == nil {
			break
		}
		if sleep(ctx, memberPause) != nil {
			t.Fatal(err)
		}
	}
	listed, err := client.MemberList(ctx)
	if err != nil || len(listed.Members) != 1 {
		t.Error(listed, err)
	}
}
