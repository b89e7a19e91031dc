package controlplane

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"strconv"
	"strings"

	"k3s/internal/files"
	"k3s/internal/join"
	"k3s/internal/process"
	"k3s/internal/token"
)

// lonelyName is the member's name in a database that no other server joins.
const lonelyName = "server"

// databaseHost is where the members of other servers find this one's: nowhere unless servers share a database.
func (p *Plane) databaseHost() string {
	if p.config.Clustered() {
		return p.config.NodeIP
	}
	return loopback
}

func (p *Plane) databaseURL(host string, port int) string {
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}

func (p *Plane) peerURL() string {
	return p.databaseURL(p.databaseHost(), etcdPeerPort)
}

// localDatabase is how programs of this machine reach the database.
func (p *Plane) localDatabase() string {
	return p.databaseURL(loopback, etcdClientPort)
}

// databaseHosts are the names and addresses in the member's certificate.
func (p *Plane) databaseHosts() []string {
	return []string{"localhost", loopback, p.databaseHost()}
}

// hasDatabase says whether this server is a member already, or was one.
func (p *Plane) hasDatabase() bool {
	_, err := os.Stat(p.path("db", "etcd", "member"))
	return err == nil
}

// fetchShared gets what all servers have in common before this one first joins them.
func (p *Plane) fetchShared(ctx context.Context) error {
	if p.config.ServerURL == "" || p.hasDatabase() {
		return nil
	}
	given, err := token.Parse(p.config.Token)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	log.Printf("joining the server %s", p.config.ServerURL)
	shared, err := join.GetBootstrap(ctx, p.config.ServerURL, given, log.Printf)
	if err != nil {
		return err
	}
	for _, name := range join.SharedFiles {
		mode := os.FileMode(0o600)
		if strings.HasSuffix(name, ".crt") {
			mode = 0o644
		}
		if _, err := files.Write(p.tls(name), shared.Files[name], mode); err != nil {
			return err
		}
	}
	p.seed = shared.Etcd
	return nil
}

// startDatabase starts this server's member and returns once it answers with a vote of its own.
func (p *Plane) startDatabase(ctx context.Context, group *process.Group) error {
	entry, err := p.enrol(ctx)
	if err != nil {
		return err
	}
	program, err := p.etcd(entry)
	if err != nil {
		return err
	}
	group.Start(program)
	if err := awaitPort(ctx, net.JoinHostPort(loopback, strconv.Itoa(etcdClientPort))); err != nil {
		return err
	}
	if entry != nil {
		return p.promote(ctx, entry)
	}
	return p.announce(ctx)
}

// etcd is this server's member of the database; entry tells of the members that it joins.
func (p *Plane) etcd(entry *enrolment) (process.Program, error) {
	name, err := p.memberName()
	if err != nil {
		return process.Program{}, err
	}
	client, peer := p.localDatabase(), p.peerURL()
	advertised := p.databaseURL(p.databaseHost(), etcdClientPort)
	if advertised != client {
		client += "," + advertised
	}
	security := map[string]any{
		"cert-file":        p.tls(etcdServing) + ".crt",
		"key-file":         p.tls(etcdServing) + ".key",
		"trusted-ca-file":  p.tls(etcdCA) + ".crt",
		"client-cert-auth": true,
	}
	settings := map[string]any{
		"name":                        name,
		"data-dir":                    p.path("db", "etcd"),
		"listen-client-urls":          client,
		"advertise-client-urls":       advertised,
		"listen-peer-urls":            peer,
		"initial-advertise-peer-urls": peer,
		"initial-cluster":             name + "=" + peer,
		"client-transport-security":   security,
		"peer-transport-security":     security,
		"logger":                      "zap",
		"log-level":                   "warn",
	}
	if p.config.Clustered() {
		// As k3s has them: a busy machine is no lost one.
		settings["heartbeat-interval"], settings["election-timeout"] = 500, 5000
	}
	if entry != nil {
		settings["initial-cluster"] = entry.Cluster
		settings["initial-cluster-state"] = "existing"
	}
	content, err := json.MarshalIndent(settings, "", "  ") // etcd reads YAML, of which JSON is a part
	if err != nil {
		return process.Program{}, err
	}
	file := p.path("db", "etcd.yaml")
	if _, err := files.Write(file, content, 0o600); err != nil {
		return process.Program{}, err
	}
	return process.Program{Name: "etcd", Path: p.self, Args: []string{"etcd", "--config-file=" + file}}, nil
}

// memberName is one that no earlier member of a machine with this name has had.
func (p *Plane) memberName() (string, error) {
	if !p.config.Clustered() {
		return lonelyName, nil
	}
	file := p.path("db", "etcd", "name")
	content, err := os.ReadFile(file)
	if err == nil {
		return string(content), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		return "", err
	}
	name := p.config.NodeName + "-" + hex.EncodeToString(suffix)
	_, err = files.Write(file, []byte(name), 0o600)
	return name, err
}
