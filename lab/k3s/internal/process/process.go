// Package process keeps the node's programs running: it starts them again when they end, puts their name
// before each line they print, and stops them in order.
package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	firstPause = time.Second
	longPause  = 15 * time.Second
	// A program that ran this long starts again without a longer pause than the first time.
	steady = time.Minute
	// What a program may take to end before it is killed.
	patience = 3 * time.Second
	// A program that ended this often before the node was ready will not do better.
	attempts = 4
)

// Program is one to keep running.
type Program struct {
	Name string   // in front of its lines
	Path string   // file to execute
	Args []string // with argv[0]
	Env  []string // added to the launcher's own
}

// Group runs programs and stops the later ones first.
type Group struct {
	lock    sync.Mutex
	running []*runner
	failed  chan error
	settled atomic.Bool
}

// NewGroup makes an empty group.
func NewGroup() *Group {
	return &Group{failed: make(chan error, 1)}
}

// Failed tells of a program that keeps ending before the node is ready.
func (g *Group) Failed() <-chan error {
	return g.failed
}

// Settle says that the node is ready: from now on a program that ends is started again for ever.
func (g *Group) Settle() {
	g.settled.Store(true)
}

type runner struct {
	group   *Group
	program Program
	cancel  context.CancelFunc
	done    chan struct{}
}

// Start runs a program until the group stops.
func (g *Group) Start(program Program) {
	ctx, cancel := context.WithCancel(context.Background())
	one := &runner{group: g, program: program, cancel: cancel, done: make(chan struct{})}
	g.lock.Lock()
	g.running = append(g.running, one)
	g.lock.Unlock()
	go func() {
		defer close(one.done)
		one.keep(ctx)
	}()
}

// Stop ends the programs one after the other, in reverse order of their start.
func (g *Group) Stop() {
	g.lock.Lock()
	defer g.lock.Unlock()
	for i := len(g.running) - 1; i >= 0; i-- {
		g.running[i].cancel()
		<-g.running[i].done
	}
	g.running = nil
}

func (r *runner) keep(ctx context.Context) {
	pause := firstPause
	for ended := 1; ctx.Err() == nil; ended++ {
		started := time.Now()
		last, err := run(ctx, r.program)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > steady {
			pause, ended = firstPause, 1
		}
		if ended >= attempts && !r.group.settled.Load() {
			r.group.fail(fmt.Errorf("%s ended %d times before the node was ready (%s); it said: %s",
				r.program.Name, ended, outcome(err), last))
			return
		}
		log.Printf("%s ended (%s): starting it again in %s", r.program.Name, outcome(err), pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
	}
}

func (g *Group) fail(err error) {
	select {
	case g.failed <- err:
	default: // one reason is enough
	}
}

func outcome(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// run runs a program once and returns its last error, or its last line. When ctx is done the program is asked to end and,
// after a while, killed.
func run(ctx context.Context, program Program) (string, error) {
	// The kernel sends the parent-death signal when the thread ends that started the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	command := exec.CommandContext(ctx, program.Path)
	command.Args = program.Args
	command.Env = append(os.Environ(), program.Env...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = patience
	lines := &lineWriter{name: program.Name, to: os.Stdout}
	command.Stdout = lines
	command.Stderr = lines
	err := command.Run()
	lines.flush()
	return lines.reason(), err
}

var printing sync.Mutex

// lineWriter prints whole lines with a program's name in front.
type lineWriter struct {
	name string
	to   io.Writer
	rest []byte

	last    string // line that is not blank
	problem string // last error as components print them, with the lines that belong to it
	within  bool   // the problem may go on in the next line
}

// problemStart is how a component's errors and last words begin.
var problemStart = regexp.MustCompile(`^([EF]\d{4} \d{2}:|Error: |panic: )`)

// reason is what the program had to say for itself.
func (w *lineWriter) reason() string {
	if w.problem != "" {
		return w.problem
	}
	return w.last
}

func (w *lineWriter) note(line string) {
	text := strings.TrimSpace(line)
	if text == "" {
		return
	}
	w.last = text
	switch {
	case problemStart.MatchString(line):
		w.problem, w.within = text, true
	case w.within && (line[0] == ' ' || line[0] == '\t'):
		w.problem += " " + text
	default:
		w.within = false
	}
}

func (w *lineWriter) Write(content []byte) (int, error) {
	w.rest = append(w.rest, content...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(content), nil
		}
		w.print(w.rest[:end])
		w.rest = w.rest[end+1:]
	}
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.print(w.rest)
		w.rest = nil
	}
}

func (w *lineWriter) print(line []byte) {
	w.note(string(line))
	printing.Lock()
	defer printing.Unlock()
	fmt.Fprintf(w.to, "%s: %s\n", w.name, line)
}
