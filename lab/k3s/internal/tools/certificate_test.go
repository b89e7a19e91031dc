package tools

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRotateTakesCertificatesAndLeavesAuthoritiesAndKeys(t *testing.T) {
	dir := t.TempDir()
	kept := []string{"server/tls/server-ca.crt", "server/tls/service.key", "server/tls/etcd/server-ca.crt", "agent/client-ca.crt"}
	gone := []string{"server/tls/client-admin.crt", "server/tls/etcd/client.crt", "agent/serving-kubelet.crt"}
	for _, name := range append(append([]string{}, kept...), gone...) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := rotate(dir)
	if err != nil || taken != len(gone) {
		t.Fatalf("took %d, %v; want %d", taken, err, len(gone))
	}
	for _, name := range kept {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	for _, name := range gone {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}
