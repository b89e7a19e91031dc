// Command k3s is the lab's stand-in for the k3s binary where its release cannot be fetched: k3s's command line, files
// and configuration around upstream Kubernetes components. See README.md.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"k8s.io/component-base/version"

	"k3s/components"
	"k3s/internal/config"
	"k3s/internal/launcher"
	"k3s/internal/tools"
)

const usage = `k3s %s (stand-in): Kubernetes in one binary, with k3s's command line and files

Usage: k3s COMMAND [FLAGS]

  server       run the control plane and a node
  agent        run a node of a server's cluster
  kubectl      run kubectl, by default with /etc/rancher/k3s/k3s.yaml
  ctr          run the node's ctr on this node's containerd
  token        generate: print a secret that a new cluster may take as its token; rotate: give this one another token
  certificate  rotate: take this node's certificates away, which the next start makes anew

  --version    print the version

Flags are the keys of /etc/rancher/k3s/config.yaml with two dashes: k3s server --help, k3s agent --help.
`

// missing are commands of k3s that this stand-in does not have.
var missing = []string{"crictl", "etcd-snapshot", "secrets-encrypt", "completion", "check-config"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("k3s: ")
	log.SetOutput(os.Stdout)
	os.Exit(run())
}

// run takes the program's name, or else the first argument, as the command.
func run() int {
	command := filepath.Base(os.Args[0])
	if command == "kubectl" || command == "ctr" || components.Known(command) {
		return dispatch(command)
	}
	if len(os.Args) < 2 {
		fmt.Printf(usage, version.Get().GitVersion)
		return 0
	}
	command, os.Args = os.Args[1], os.Args[1:]
	return dispatch(command)
}

// dispatch runs a command; os.Args holds its name and its own arguments.
func dispatch(command string) int {
	args := os.Args[1:]
	switch command {
	case "server", "agent":
		role := config.Role(command)
		if wantsHelp(args) {
			fmt.Print(config.Usage(role))
			return 0
		}
		return report(launcher.Run(role, args))
	case "kubectl":
		tools.UseKubeconfig()
		return components.Kubectl()
	case "ctr":
		return report(tools.Ctr(args))
	case "token":
		return report(tools.Token(args))
	case "certificate":
		return report(tools.Certificate(args))
	case "--version", "-v", "version":
		fmt.Printf("k3s version %s (stand-in)\ngo version %s\n", version.Get().GitVersion, runtime.Version())
		return 0
	case "--help", "-h", "help":
		fmt.Printf(usage, version.Get().GitVersion)
		return 0
	}
	if components.Known(command) {
		return components.Run(command)
	}
	for _, name := range missing {
		if command == name {
			return report(fmt.Errorf("%s is a command of k3s that this stand-in does not have", command))
		}
	}
	return report(fmt.Errorf("unknown command %q; `k3s --help` lists the commands", command))
}

func wantsHelp(args []string) bool {
	for _, argument := range args {
		if argument == "--help" || argument == "-h" {
			return true
		}
	}
	return false
}

// report prints why a command failed, a line for each reason.
func report(err error) int {
	if err == nil {
		return 0
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(os.Stderr, "k3s: %s\n", line)
	}
	return 1
}
