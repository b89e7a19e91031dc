package tools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const dataDir = "/var/lib/rancher/k3s"

// Certificate has one command: rotate.
func Certificate(args []string) error {
	if len(args) != 1 || args[0] != "rotate" {
		return errors.New("certificate needs a command, and this stand-in for k3s has one: rotate")
	}
	taken, err := rotate(dataDir)
	if err != nil {
		return err
	}
	if taken == 0 {
		return fmt.Errorf("there are no certificates of a node in %s", dataDir)
	}
	fmt.Printf("%d certificates were taken away; the next start of k3s makes new ones\n", taken)
	return nil
}

// rotate removes the certificates of a node but not their authorities, and returns how many: whatever starts without
// one makes it, or has the server make it.
func rotate(dir string) (int, error) {
	taken := 0
	for _, part := range []string{"server/tls", "server/tls/etcd", "agent"} {
		paths, err := filepath.Glob(filepath.Join(dir, part, "*.crt"))
		if err != nil {
			return taken, err
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "-ca.crt") {
				continue
			}
			if err := os.Remove(path); err != nil {
				return taken, err
			}
			taken++
		}
	}
	return taken, nil
}
