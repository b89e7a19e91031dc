// Package launcher makes a machine a node: it checks the machine, starts the programs in order, tells systemd when
// the node is ready, and stops the programs when it is asked to.
package launcher

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"k3s/internal/config"
	"k3s/internal/controlplane"
	"k3s/internal/host"
	"k3s/internal/join"
	"k3s/internal/node"
	"k3s/internal/notify"
	"k3s/internal/process"
	"k3s/internal/token"
)

// portPatience is how long programs of a launcher that was killed may hold their ports.
const portPatience = 15 * time.Second

// errStopped is why everything ends when systemd or a user asks for it.
var errStopped = errors.New("stopped")

// launcher is one start of a node.
type launcher struct {
	config *config.Config
	plane  *controlplane.Plane // nil on an agent
	node   *node.Node
	group  *process.Group
	notify func(state string)
}

// Run runs a node until it is told to stop. An error says why it never got ready, as does the unit's status.
func Run(role config.Role, args []string) error {
	socket := notify.Take()
	tell := func(state string) {
		if err := notify.Send(socket, state); err != nil {
			log.Printf("systemd cannot be told %q: %v", state, err)
		}
	}
	err := run(role, args, tell)
	if err != nil {
		tell("STATUS=" + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return err
}

func run(role config.Role, args []string, tell func(state string)) error {
	if os.Geteuid() != 0 {
		return errors.New("k3s must be run as root")
	}
	c, err := config.Load(role, args)
	if err != nil {
		return err
	}
	for _, note := range c.Notes {
		log.Print(note)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	one := &launcher{
		config: c,
		node:   node.New(c, self),
		group:  process.NewGroup(),
		notify: tell,
	}
	if role == config.Server {
		one.plane = controlplane.New(c, self)
	}
	return one.run()
}

func (l *launcher) run() error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		select {
		case received := <-signals:
			log.Printf("%s: stopping; containers stay", received)
			cancel(errStopped)
		case err := <-l.group.Failed():
			cancel(err)
		case <-ctx.Done():
		}
	}()
	err := l.start(ctx)
	if err == nil {
		l.group.Settle()
		l.notify("READY=1\nSTATUS=the node is ready")
		log.Printf("node %s is ready", l.config.NodeName)
		<-ctx.Done()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	l.notify("STOPPING=1")
	l.group.Stop()
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}

// start returns when the node is ready.
func (l *launcher) start(ctx context.Context) error {
	if err := l.prepare(ctx); err != nil {
		return err
	}
	var cluster join.Cluster
	together, both := errgroup.WithContext(ctx)
	together.Go(func() error {
		if err := l.node.StartContainerd(both, l.group); err != nil {
			return err
		}
		if err := l.node.ServeImages(ctx); err != nil {
			return err
		}
		return l.node.ImportImages(both)
	})
	together.Go(func() error {
		var err error
		cluster, err = l.enter(both)
		return err
	})
	if err := together.Wait(); err != nil {
		return err
	}
	l.status("starting the node's programs")
	ca, err := os.ReadFile(filepath.Join(l.node.Dir(), "server-ca.crt"))
	if err != nil {
		return err
	}
	if err := l.node.Start(l.group, l.serverURL(), ca, cluster); err != nil {
		return err
	}
	network, err := l.node.WatchNetwork(ctx, cluster)
	if err != nil {
		return err
	}
	if l.plane != nil {
		if err := l.plane.LabelNode(ctx); err != nil {
			return fmt.Errorf("labels of this node: %w", err)
		}
		if l.config.Clustered() {
			go l.plane.WatchServers(ctx)
		}
	}
	l.status("waiting for the node to be ready")
	return network.AwaitReady(ctx)
}

// prepare checks the machine and sets what a reboot forgets.
func (l *launcher) prepare(ctx context.Context) error {
	if err := host.CheckPrograms(); err != nil {
		return err
	}
	ports := l.node.Ports()
	if l.plane != nil {
		ports = append(l.plane.Ports(), ports...)
	}
	if err := host.AwaitFreePorts(ctx, portPatience, ports...); err != nil {
		return err
	}
	if err := host.ShareMounts(); err != nil {
		return err
	}
	return node.PrepareNetwork()
}

// enter makes this machine a member of its cluster: a server's own, after starting it.
func (l *launcher) enter(ctx context.Context) (join.Cluster, error) {
	var given token.Token
	var err error
	if l.plane == nil {
		l.status("joining " + l.config.ServerURL)
		if given, err = token.Parse(l.config.Token); err != nil {
			return join.Cluster{}, fmt.Errorf("token: %w", err)
		}
	} else {
		l.status("starting the control plane")
		if err := l.plane.Start(ctx, l.group); err != nil {
			return join.Cluster{}, err
		}
		if err := l.plane.ApplyObjects(ctx); err != nil {
			return join.Cluster{}, err
		}
		if given, err = l.plane.Token(); err != nil {
			return join.Cluster{}, err
		}
	}
	return join.Join(ctx, join.Node{
		Server: l.serverURL(),
		Token:  given,
		Name:   l.config.NodeName,
		IP:     l.config.NodeIP,
		Dir:    l.node.Dir(),
	}, log.Printf)
}

func (l *launcher) serverURL() string {
	if l.plane != nil {
		return l.plane.LocalURL()
	}
	return l.config.ServerURL
}

func (l *launcher) status(text string) {
	log.Print(text)
	l.notify("STATUS=" + text)
}
