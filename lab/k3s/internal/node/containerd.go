package node

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"
	"time"

	"k3s/internal/files"
	"k3s/internal/host"
	"k3s/internal/process"
)

// Where containerd is found, as with k3s.
const (
	RunDir  = "/run/k3s/containerd"
	Address = RunDir + "/containerd.sock"
)

const (
	containerdPatience = time.Minute
	containerdPause    = 200 * time.Millisecond
)

//go:embed config.toml.tmpl
var baseTemplate string

// The fields that config.toml.tmpl of a user may use have the names that k3s gives them.
type (
	containerdConfig struct {
		Program               string
		NodeConfig            nodeConfig
		DisableCgroup         bool
		SystemdCgroup         bool
		IsRunningInUserNS     bool
		EnableUnprivileged    bool
		NonrootDevices        bool
		NoDefaultEndpoint     bool
		PrivateRegistryConfig any
		ExtraRuntimes         map[string]Runtime
	}
	nodeConfig struct {
		SELinux        bool
		NoFlannel      bool
		DefaultRuntime string
		Containerd     containerdPaths
		AgentConfig    agentConfig
	}
	containerdPaths struct {
		Opt, Root, State, Address, Registry, Config, Template string
	}
	agentConfig struct {
		NodeName, PauseImage, Snapshotter, CNIBinDir, CNIConfDir, ImageServiceSocket string
	}
	// Runtime is one that containerd may run containers with, besides runc.
	Runtime struct {
		RuntimeType string
		BinaryName  string
	}
)

// runtimes are looked for in these places, in order, as k3s does.
var runtimes = []struct {
	name, binary string
	places       []string
}{
	{"crun", "crun", []string{"/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"}},
	{"nvidia", "nvidia-container-runtime", []string{"/usr/local/nvidia/toolkit", "/usr/bin"}},
	{"nvidia-experimental", "nvidia-container-runtime-experimental", []string{"/usr/local/nvidia/toolkit", "/usr/bin"}},
}

func findRuntimes(root string) map[string]Runtime {
	found := map[string]Runtime{}
	for _, one := range runtimes {
		for _, place := range one.places {
			path := filepath.Join(place, one.binary)
			if state, err := os.Stat(filepath.Join(root, path)); err == nil && !state.IsDir() {
				found[one.name] = Runtime{RuntimeType: "io.containerd.runc.v2", BinaryName: path}
				break
			}
		}
	}
	return found
}

// StartContainerd writes containerd's configuration, starts it and waits until it answers.
func (n *Node) StartContainerd(ctx context.Context, group *process.Group) error {
	settings, err := n.containerdConfig()
	if err != nil {
		return err
	}
	content, err := n.renderContainerd(settings)
	if err != nil {
		return err
	}
	paths := settings.NodeConfig.Containerd
	if _, err := files.Write(paths.Config, content, 0o600); err != nil {
		return err
	}
	for _, directory := range []string{paths.Root, paths.State, settings.NodeConfig.AgentConfig.CNIConfDir} {
		if err := os.MkdirAll(directory, 0o711); err != nil {
			return err
		}
	}
	program, err := host.Find("containerd")
	if err != nil {
		return err
	}
	group.Start(process.Program{Name: "containerd", Path: program, Args: []string{
		"containerd", "--config", paths.Config, "--address", paths.Address, "--root", paths.Root, "--state", paths.State,
	}})
	return awaitContainerd(ctx)
}

func (n *Node) containerdConfig() (containerdConfig, error) {
	plugins, err := host.CNIDir()
	if err != nil {
		return containerdConfig{}, err
	}
	return containerdConfig{
		Program:           "k3s (stand-in)",
		IsRunningInUserNS: host.Restricted(),
		ExtraRuntimes:     findRuntimes("/"),
		NodeConfig: nodeConfig{
			DefaultRuntime: n.config.DefaultRuntime,
			Containerd: containerdPaths{
				Opt:      n.path("containerd"),
				Root:     n.path("containerd"),
				State:    RunDir,
				Address:  Address,
				Registry: n.path("etc", "containerd", "certs.d"),
				Config:   n.path("etc", "containerd", "config.toml"),
				Template: n.path("etc", "containerd", "config.toml.tmpl"),
			},
			AgentConfig: agentConfig{
				NodeName:    n.config.NodeName,
				PauseImage:  n.config.PauseImage,
				Snapshotter: n.config.Snapshotter,
				CNIBinDir:   plugins,
				CNIConfDir:  n.cniDir(),
			},
		},
	}, nil
}

// renderContainerd fills in the user's template if there is one, which may build on ours by its name "base".
func (n *Node) renderContainerd(settings containerdConfig) ([]byte, error) {
	parsed, err := template.New("base").Parse(baseTemplate)
	if err != nil {
		return nil, err
	}
	file := settings.NodeConfig.Containerd.Template
	own, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := settings.checkDefaultRuntime(); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		log.Printf("containerd is configured by %s", file)
		if parsed, err = parsed.New("config.toml.tmpl").Parse(string(own)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	var content bytes.Buffer
	if err := parsed.Execute(&content, settings); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return content.Bytes(), nil
}

func (c containerdConfig) checkDefaultRuntime() error {
	name := c.NodeConfig.DefaultRuntime
	if _, found := c.ExtraRuntimes[name]; found || name == "" || name == "runc" {
		return nil
	}
	known := []string{"runc"}
	for found := range c.ExtraRuntimes {
		known = append(known, found)
	}
	sort.Strings(known)
	return fmt.Errorf("default-runtime: %s is not installed on this node, which has %s; "+
		"install it first, then restart k3s", name, strings.Join(known, ", "))
}

func awaitContainerd(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, containerdPatience, errors.New("containerd does not answer"))
	defer cancel()
	for {
		if _, err := ctr(ctx, nil, "version"); err == nil {
			return nil
		}
		if err := sleep(ctx, containerdPause); err != nil {
			return err
		}
	}
}
