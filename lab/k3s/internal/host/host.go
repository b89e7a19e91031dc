// Package host asks a machine what it has: programs, free ports, kernel settings and rights.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// packages names the Debian package of each program that a node needs.
var packages = map[string]string{
	"containerd":              "containerd",
	"containerd-shim-runc-v2": "containerd",
	"ctr":                     "containerd",
	"runc":                    "runc",
	"iptables":                "iptables",
	"iptables-save":           "iptables",
	"iptables-restore":        "iptables",
	"ipset":                   "ipset",
	"conntrack":               "conntrack",
	"mount":                   "mount",
}

// cniDirs are where distributions keep the CNI plugins.
var cniDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}

// cniPlugins are those that the pod network is made of.
var cniPlugins = []string{"bridge", "host-local", "loopback", "portmap"}

// Find returns the path of a program that is not this one: `ctr` may be a link to us.
func Find(name string) (string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", err
	}
	for _, directory := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/bin", "/sbin", "/bin") {
		path := filepath.Join(directory, name)
		state, err := os.Stat(path)
		if err == nil && state.Mode().IsRegular() && state.Mode().Perm()&0o111 != 0 && !os.SameFile(state, self) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed (Debian package %s)", name, packages[name])
}

// CheckPrograms returns one error for all programs that the machine lacks.
func CheckPrograms() error {
	var missing []error
	for _, name := range sortedKeys(packages) {
		if _, err := Find(name); err != nil {
			missing = append(missing, err)
		}
	}
	if _, err := CNIDir(); err != nil {
		missing = append(missing, err)
	}
	return errors.Join(missing...)
}

// CNIDir is the directory of the CNI plugins.
func CNIDir() (string, error) {
	for _, directory := range cniDirs {
		found := 0
		for _, plugin := range cniPlugins {
			if _, err := os.Stat(filepath.Join(directory, plugin)); err == nil {
				found++
			}
		}
		if found == len(cniPlugins) {
			return directory, nil
		}
	}
	return "", fmt.Errorf("the CNI plugins %s are not in %s (Debian package containernetworking-plugins)",
		strings.Join(cniPlugins, ", "), strings.Join(cniDirs, " or "))
}

// AwaitFreePorts waits until nothing listens on the addresses: the programs of a launcher that was killed may
// still be ending. When one stays taken the error names it.
func AwaitFreePorts(ctx context.Context, patience time.Duration, addresses ...string) error {
	deadline := time.Now().Add(patience)
	for _, address := range addresses {
		for {
			listener, err := net.Listen("tcp4", address)
			if err == nil {
				listener.Close()
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("port %s is taken by another program (`ss -ltnp` shows which)", address)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}

// capSysResource is the number of the capability that raising limits and lowering OOM scores takes.
const capSysResource = 24

// Restricted says that this process may not lower the OOM scores of its children, as in many containers.
func Restricted() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return true
	}
	for _, line := range strings.Split(string(status), "\n") {
		if mask, found := strings.CutPrefix(line, "CapEff:"); found {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err != nil || bits&(1<<capSysResource) == 0
		}
	}
	return true
}

// Sysctl sets a kernel setting when the kernel has it.
func Sysctl(name, value string) error {
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	have, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		log.Printf("this kernel has no setting %s", name)
		return nil
	}
	if err != nil || strings.TrimSpace(string(have)) == value {
		return err
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return fmt.Errorf("%s cannot be set to %s: %w", name, value, err)
	}
	return nil
}

// ShareMounts makes mounts of pods visible to the machine and to other pods, as mountPropagation asks for.
func ShareMounts() error {
	out, err := exec.Command("mount", "--make-rshared", "/").CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount --make-rshared /: %s", strings.TrimSpace(string(out)))
	}
	return nil
}

func sortedKeys(items map[string]string) []string {
	keys := make([]string, 0, len(items))
	for key := range items {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
