package tools

import (
	"fmt"
	"os"
	"path/filepath"

	"k3s/internal/files"
	"k3s/internal/token"
)

// rotateToken gives a cluster another token: its API server takes it at once, and the old one no more.
func rotateToken(dir string) error {
	path := filepath.Join(dir, "server", "token")
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("this is no server of a cluster: %w", err)
	}
	now, err := token.Parse(string(content))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	now.Secret = token.NewSecret()
	_, err = files.Write(path, []byte(now.String()+"\n"), 0o600)
	return err
}
