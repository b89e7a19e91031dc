package tools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k3s/internal/token"
)

func TestARotatedTokenNamesTheSameClusterByAnotherSecret(t *testing.T) {
	dir := t.TempDir()
	if err := rotateToken(dir); err == nil {
		t.Fatal("a machine without a server's token has rotated it")
	}
	path := filepath.Join(dir, "server", "token")
	before := token.Token{CAHash: strings.Repeat("a", 64), User: token.ServerUser, Secret: "secret"}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(before.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rotateToken(dir); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after, err := token.Parse(string(content))
	if err != nil || after.CAHash != before.CAHash || after.User != before.User {
		t.Errorf("%v became %v (%v)", before, after, err)
	}
	if after.Secret == before.Secret {
		t.Error("the secret is the same")
	}
	if state, err := os.Stat(path); err != nil || state.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", state.Mode(), err)
	}
}
