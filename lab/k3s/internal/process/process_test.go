package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func shell(name, script string) Program {
	return Program{Name: name, Path: "/bin/sh", Args: []string{"sh", "-c", script}}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
}

func TestAProgramThatEndsIsStartedAgain(t *testing.T) {
	directory := t.TempDir()
	first, second := filepath.Join(directory, "1"), filepath.Join(directory, "2")
	group := NewGroup()
	group.Start(shell("again", "[ -e "+first+" ] && { touch "+second+"; exec sleep 60; }; touch "+first))
	await(t, "a second start", exists(second))
	group.Stop()
}

func TestProgramsStopInReverseOrder(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	group := NewGroup()
	for _, name := range []string{"a", "b"} {
		ready := log + name
		group.Start(shell(name, "trap 'echo "+name+" >>"+log+"; exit' TERM; touch "+ready+"; while :; do sleep 0.05; done"))
		await(t, "the start of "+name, exists(ready))
	}
	group.Stop()
	if content, err := os.ReadFile(log); err != nil || string(content) != "b\na\n" {
		t.Errorf("%q %v", content, err)
	}
}

func TestTheReasonIsTheLastErrorWithItsContinuation(t *testing.T) {
	for name, one := range map[string]struct{ printed, reason string }{
		"plain":  {"first\nlast\n\n", "last"},
		"klog":   {"E1125 14:12:43.4 1 run.go:72] bad\nI1125 14:12:44.4 1 x.go:1] bye\n", "E1125 14:12:43.4 1 run.go:72] bad"},
		"folded": {"E1125 14:12:43.4 1 run.go:72] err=<\n\tunknown labels\n >\n", "E1125 14:12:43.4 1 run.go:72] err=< unknown labels >"},
		"cut":    {"Error: no newline", "Error: no newline"},
	} {
		lines := &lineWriter{name: name, to: &strings.Builder{}}
		if _, err := lines.Write([]byte(one.printed)); err != nil {
			t.Fatal(err)
		}
		lines.flush()
		if got := lines.reason(); got != one.reason {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestEachLineCarriesItsProgramsName(t *testing.T) {
	var out strings.Builder
	lines := &lineWriter{name: "etcd", to: &out}
	for _, part := range []string{"on", "e\ntw", "o\n"} {
		if _, err := lines.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "etcd: one\netcd: two\n" {
		t.Errorf("%q", out.String())
	}
}
