package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"k3s/internal/files"
	"k3s/internal/join"
	"k3s/internal/token"
)

const (
	enrolmentFile = "joining.json"
	memberTimeout = 5 * time.Second
	memberPause   = time.Second
)

// enrolment is a member on its way into the database of other servers: it has no vote before it has the data.
type enrolment struct {
	Seed    string `json:"seed"`    // client URL of a member that has a vote
	Member  uint64 `json:"member"`  // this member's ID
	Cluster string `json:"cluster"` // all members, as etcd is told them
}

// enrol makes this server known to the database that it joins; nil where there is nothing to join, or no longer.
func (p *Plane) enrol(ctx context.Context) (*enrolment, error) {
	if p.config.ServerURL == "" {
		return nil, nil
	}
	if p.hasDatabase() {
		return p.unfinished(ctx)
	}
	name, err := p.memberName()
	if err != nil {
		return nil, err
	}
	var entry *enrolment
	err = p.withMembers(ctx, p.seed, func(ctx context.Context, client *clientv3.Client) error {
		var err error
		entry, err = enter(ctx, client, name, p.peerURL())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("joining the database at %s: %w", p.seed, err)
	}
	entry.Seed = p.seed
	content, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	_, err = files.Write(p.path("db", enrolmentFile), content, 0o600)
	return entry, err
}

// unfinished is an enrolment that was interrupted; its seed is asked for anew, as servers may have changed.
func (p *Plane) unfinished(ctx context.Context) (*enrolment, error) {
	content, err := os.ReadFile(p.path("db", enrolmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entry enrolment
	if err := json.Unmarshal(content, &entry); err != nil {
		return nil, fmt.Errorf("%s: %w", p.path("db", enrolmentFile), err)
	}
	given, err := token.Parse(p.config.Token)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	shared, err := join.GetBootstrap(ctx, p.config.ServerURL, given, log.Printf)
	entry.Seed = shared.Etcd
	return &entry, err
}

// refusedError ends the attempts.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return e.reason }

// enter adds a member without a vote, unless an earlier attempt has done it.
func enter(ctx context.Context, client *clientv3.Client, name, peer string) (*enrolment, error) {
	listed, err := client.MemberList(ctx)
	if err != nil {
		return nil, err
	}
	members := listed.Members
	own := memberAt(members, peer)
	switch {
	case own == nil:
		added, err := client.MemberAddAsLearner(ctx, []string{peer})
		if err != nil {
			return nil, err
		}
		own, members = added.Member, added.Members
	case own.Name != "": // it has run, so it has had data
		return nil, &refusedError{fmt.Sprintf("a server with this address, %s, is a member already and its data is "+
			"not here: delete its node first (kubectl delete node), then start this one again", own.Name)}
	}
	return &enrolment{Member: own.ID, Cluster: initialCluster(members, own.ID, name)}, nil
}

func memberAt(members []*etcdserverpb.Member, peer string) *etcdserverpb.Member {
	for _, member := range members {
		if slices.Contains(member.PeerURLs, peer) {
			return member
		}
	}
	return nil
}

// initialCluster names all members as etcd's configuration does.
func initialCluster(members []*etcdserverpb.Member, own uint64, name string) string {
	var parts []string
	for _, member := range members {
		called := member.Name
		if member.ID == own {
			called = name
		}
		for _, url := range member.PeerURLs {
			parts = append(parts, called+"="+url)
		}
	}
	return strings.Join(parts, ",")
}

// promote gives this member its vote once it has the data.
func (p *Plane) promote(ctx context.Context, entry *enrolment) error {
	err := p.withMembers(ctx, entry.Seed, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.MemberPromote(ctx, entry.Member)
		if errors.Is(err, rpctypes.ErrMemberNotLearner) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("a vote in the database: %w", err)
	}
	return os.Remove(p.path("db", enrolmentFile))
}

// announce tells the other members where this one is found: the only one of a cluster listened to itself alone.
func (p *Plane) announce(ctx context.Context) error {
	if !p.config.Clustered() {
		return nil
	}
	return p.withMembers(ctx, p.localDatabase(), func(ctx context.Context, client *clientv3.Client) error {
		status, err := client.Status(ctx, p.localDatabase())
		if err != nil {
			return err
		}
		listed, err := client.MemberList(ctx)
		if err != nil || memberAt(listed.Members, p.peerURL()) != nil {
			return err
		}
		_, err = client.MemberUpdate(ctx, status.Header.MemberId, []string{p.peerURL()})
		return err
	})
}

// withMembers does something with the database at an address, again and again until it succeeds or is refused.
func (p *Plane) withMembers(
	ctx context.Context, address string, do func(context.Context, *clientv3.Client) error,
) error {
	client, err := p.database(address)
	if err != nil {
		return err
	}
	defer client.Close()
	told := ""
	for {
		attempt, cancel := context.WithTimeout(ctx, memberTimeout)
		err := do(attempt, client)
		cancel()
		var refused *refusedError
		if err == nil || errors.As(err, &refused) {
			return err
		}
		if err.Error() != told {
			told = err.Error()
			log.Printf("waiting for the database at %s: %v", address, err)
		}
		if err := sleep(ctx, memberPause); err != nil {
			return err
		}
	}
}

// database is a client of the database at an address.
func (p *Plane) database(address string) (*clientv3.Client, error) {
	pair, err := tls.LoadX509KeyPair(p.tls(etcdClientCert)+".crt", p.tls(etcdClientCert)+".key")
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(p.tls(etcdCA) + ".crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s.crt holds no certificate", p.tls(etcdCA))
	}
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{address},
		DialTimeout: memberTimeout,
		Logger:      zap.NewNop(), // what fails is an error of the call
		TLS:         &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
	})
}
