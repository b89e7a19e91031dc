package join

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k3s/internal/pki"
	"k3s/internal/token"
)

// cluster is a server that answers nodes as the API server's process does.
type cluster struct {
	server   *httptest.Server
	token    token.Token
	dir      string
	settings *Settings
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	directory := t.TempDir()
	serving, err := pki.OpenAuthority(filepath.Join(directory, "server-ca"), "server")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.OpenAuthority(filepath.Join(directory, "client-ca"), "client"); err != nil {
		t.Fatal(err)
	}
	leaf := filepath.Join(directory, "serving")
	if err := serving.Ensure(leaf, pki.Subject{Name: "api", Hosts: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	own := token.Token{CAHash: token.Hash(serving.PEM), User: token.ServerUser, Secret: "secret"}
	secret := filepath.Join(directory, "token")
	write(t, secret, own.String())
	settings, err := json.Marshal(Settings{
		TLSDir: directory, SecretFiles: []string{secret, "/nowhere"}, ServerFile: secret,
		Cluster: Cluster{ClusterDNS: "10.43.0.10"},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(directory, "join.json"), string(settings))
	supervisor, err := NewHandler(filepath.Join(directory, "join.json"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(leaf+".crt", leaf+".key")
	if err != nil {
		t.Fatal(err)
	}
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	server := httptest.NewUnstartedServer(Mux(supervisor, api))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &cluster{server, own, directory, &supervisor.(*handler).settings}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) node(t *testing.T) Node {
	t.Helper()
	return Node{Server: c.server.URL, Token: c.token, Name: "node-1", IP: "192.0.2.11", Dir: t.TempDir()}
}

func enter(t *testing.T, node Node) (Cluster, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return Join(ctx, node, t.Logf)
}

func TestANodeGetsItsCertificatesAndTheClustersSettings(t *testing.T) {
	node := newCluster(t).node(t)
	got, err := enter(t, node)
	if err != nil {
		t.Fatal(err)
	}
	if got.ClusterDNS != "10.43.0.10" {
		t.Error(got)
	}
	for _, name := range Certificates {
		if !pki.Usable(filepath.Join(node.Dir, name)) {
			t.Errorf("%s is not usable", name)
		}
	}
	content, err := os.ReadFile(filepath.Join(node.Dir, KubeletClient+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if name := certificate.Subject.String(); name != "CN=system:node:node-1,O=system:nodes" {
		t.Error(name)
	}
}

func TestASecretAloneIsEnough(t *testing.T) {
	node := newCluster(t).node(t)
	node.Token = token.Token{Secret: "secret"}
	if _, err := enter(t, node); err != nil {
		t.Error(err)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	for name, one := range map[string]struct {
		change func(*Node)
		says   string
	}{
		"wrong secret":    {func(n *Node) { n.Token.Secret = "other" }, "refused the token"},
		"no secret":       {func(n *Node) { n.Token.Secret = "" }, "refused the token"},
		"other authority": {func(n *Node) { n.Token.CAHash = strings.Repeat("0", 64) }, "the CA of"},
		"bad name":        {func(n *Node) { n.Name = "No Name" }, "is no node name"},
		"bad address":     {func(n *Node) { n.IP = "here" }, "is no address"},
		"name not served": {func(n *Node) { n.Server = strings.Replace(n.Server, "127.0.0.1", "localhost", 1) }, "tls-san"},
	} {
		t.Run(name, func(t *testing.T) {
			node := newCluster(t).node(t)
			one.change(&node)
			_, err := enter(t, node)
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), one.says) {
				t.Errorf("%v does not say %q", err, one.says)
			}
		})
	}
}

func TestTheSecretStaysHereWhenTheAuthorityIsAnother(t *testing.T) {
	c := newCluster(t)
	asked := false
	inner := c.server.Config.Handler
	c.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = asked || r.URL.Path == pathJoin
		inner.ServeHTTP(w, r)
	})
	node := c.node(t)
	node.Token.CAHash = strings.Repeat("0", 64)
	if _, err := enter(t, node); err == nil || asked {
		t.Error(err, asked)
	}
}

func TestANodeThatJoinedBeforeStartsWithoutTheServer(t *testing.T) {
	c := newCluster(t)
	node := c.node(t)
	if _, err := enter(t, node); err != nil {
		t.Fatal(err)
	}
	c.server.Close()
	if got, err := enter(t, node); err != nil || got.ClusterDNS != "10.43.0.10" {
		t.Error(got, err)
	}
}

func TestANewNodeWaitsForTheServer(t *testing.T) {
	c := newCluster(t)
	node := c.node(t)
	c.server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := Join(ctx, node, t.Logf); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestOtherPathsGoToTheAPIServer(t *testing.T) {
	c := newCluster(t)
	for path, status := range map[string]int{"/ping": http.StatusOK, "/cacerts": http.StatusOK, "/api": http.StatusTeapot} {
		answer, err := c.server.Client().Get(c.server.URL + path)
		if err != nil {
			// the test's client does not know the authority
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			if answer, err = client.Get(c.server.URL + path); err != nil {
				t.Fatal(err)
			}
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
}
