// Package tools holds the commands of k3s that are not a node: they find the node's own files and sockets.
package tools

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"k3s/internal/host"
	"k3s/internal/node"
	"k3s/internal/token"
)

const kubeconfig = "/etc/rancher/k3s/k3s.yaml"

// UseKubeconfig makes kubectl take the server's own kubeconfig when it is told no other.
func UseKubeconfig() {
	if os.Getenv("KUBECONFIG") != "" {
		return
	}
	for _, argument := range os.Args {
		if argument == "--kubeconfig" || strings.HasPrefix(argument, "--kubeconfig=") {
			return
		}
	}
	if _, err := os.Stat(kubeconfig); err == nil {
		os.Setenv("KUBECONFIG", kubeconfig)
	}
}

// Ctr becomes the node's ctr, which speaks to the node's containerd about the images and containers of pods unless
// flags or the environment say otherwise.
func Ctr(args []string) error {
	program, err := host.Find("ctr")
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"CONTAINERD_ADDRESS": node.Address, "CONTAINERD_NAMESPACE": node.Namespace} {
		if os.Getenv(name) == "" {
			os.Setenv(name, value)
		}
	}
	return syscall.Exec(program, append([]string{"ctr"}, args...), os.Environ())
}

// Token has two commands: generate and rotate.
func Token(args []string) error {
	if len(args) == 0 {
		return errors.New("token needs a command: generate or rotate")
	}
	switch args[0] {
	case "generate":
		fmt.Println(token.NewSecret())
		return nil
	case "rotate":
		if len(args) > 1 {
			return fmt.Errorf("token rotate takes no %s in this stand-in for k3s: it makes up the new one", args[1])
		}
		if err := rotateToken(dataDir); err != nil {
			return err
		}
		fmt.Println("Token rotated, restart k3s nodes with new token")
		return nil
	case "create", "delete", "list":
		return fmt.Errorf("token %s is not supported by this stand-in for k3s: nodes join with the token in "+
			"/var/lib/rancher/k3s/server/node-token, or with the agent-token that the server is configured with", args[0])
	}
	return fmt.Errorf("unknown command %q of token; there are: generate, rotate", args[0])
}
