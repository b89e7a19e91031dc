package join

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k3s/internal/pki"
	"k3s/internal/token"
)

// shared makes the rest of what servers have in common, and lets further ones join.
func (c *cluster) shared(t *testing.T) {
	t.Helper()
	if _, err := pki.OpenAuthority(filepath.Join(c.dir, "etcd", "server-ca"), "etcd"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(c.dir, "service.key"), "key")
	c.settings.Etcd = "https://192.0.2.10:2379"
}

func bootstrap(t *testing.T, c *cluster, given token.Token) (Bootstrap, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return GetBootstrap(ctx, c.server.URL, given, t.Logf)
}

func TestAFurtherServerGetsWhatAllServersShare(t *testing.T) {
	c := newCluster(t)
	c.shared(t)
	got, err := bootstrap(t, c, c.token)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range SharedFiles {
		content, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil || string(got.Files[name]) != string(content) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got.Etcd != "https://192.0.2.10:2379" {
		t.Error(got.Etcd)
	}
}

func TestAServerIsRefusedWithTheReason(t *testing.T) {
	for name, one := range map[string]struct {
		secret string
		alone  bool
		says   string
	}{
		"an agent's token":      {secret: "agents-only", says: "refused the token"},
		"data that is not told": {secret: "secret", alone: true, says: "cluster-init"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.shared(t)
			if one.alone {
				c.settings.Etcd = ""
			}
			agents := filepath.Join(c.dir, "agent-token")
			write(t, agents, token.Token{CAHash: c.token.CAHash, User: token.NodeUser, Secret: "agents-only"}.String())
			c.settings.SecretFiles = append(c.settings.SecretFiles, agents)
			given := c.token
			given.Secret = one.secret
			_, err := bootstrap(t, c, given)
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), one.says) {
				t.Errorf("%v does not say %q", err, one.says)
			}
		})
	}
}
