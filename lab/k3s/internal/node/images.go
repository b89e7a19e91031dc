package node

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"k3s/internal/host"
)

const (
	// Namespace is where containerd keeps what belongs to pods.
	Namespace   = "k8s.io"
	pinnedLabel = "io.cri-containerd.pinned=pinned"
)

// ImportImages brings the archives below agent/images into containerd and pins what they hold.
func (n *Node) ImportImages(ctx context.Context) error {
	archives, err := filepath.Glob(n.path("images", "*"))
	if err != nil {
		return err
	}
	sort.Strings(archives)
	for _, archive := range archives {
		open := opener(archive)
		if open == nil {
			continue
		}
		start := time.Now()
		names, err := importArchive(ctx, archive, open)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%s cannot be imported: %w", archive, err)
		}
		log.Printf("imported %s from %s in %s", strings.Join(names, ", "), archive, time.Since(start).Round(time.Millisecond))
	}
	return nil
}

// opener returns how to read an archive as plain tar, or nil for a file that is none.
func opener(path string) func(context.Context, *os.File) (io.ReadCloser, error) {
	switch {
	case strings.HasSuffix(path, ".tar"):
		return func(_ context.Context, file *os.File) (io.ReadCloser, error) { return file, nil }
	case strings.HasSuffix(path, ".tar.gz"), strings.HasSuffix(path, ".tgz"):
		return func(_ context.Context, file *os.File) (io.ReadCloser, error) { return gzip.NewReader(file) }
	case strings.HasSuffix(path, ".tar.zst"), strings.HasSuffix(path, ".tzst"):
		return unzstd
	}
	return nil
}

// unzstd decompresses with the machine's zstd.
func unzstd(ctx context.Context, file *os.File) (io.ReadCloser, error) {
	program, err := host.Find("zstd")
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, "-dc")
	command.Stdin = file
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &pipe{out, command}, command.Start()
}

type pipe struct {
	io.ReadCloser
	command *exec.Cmd
}

func (p *pipe) Close() error {
	p.ReadCloser.Close()
	return p.command.Wait()
}

func importArchive(ctx context.Context, path string, open func(context.Context, *os.File) (io.ReadCloser, error)) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	archive, err := open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	out, err := ctr(ctx, archive, "images", "import", "-")
	if err != nil {
		return nil, err
	}
	names := importedNames(out)
	for _, name := range names {
		if _, err := ctr(ctx, nil, "images", "label", name, pinnedLabel); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// importedNames reads lines such as "unpacking docker.io/library/x:1 (sha256:…)...done".
func importedNames(out string) []string {
	var names []string
	for _, line := range strings.Split(out, "\n") {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == "unpacking" {
			names = append(names, words[1])
		}
	}
	return names
}

// ctr runs containerd's own client on the node's containerd.
func ctr(ctx context.Context, in io.Reader, args ...string) (string, error) {
	program, err := host.Find("ctr")
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, program, append([]string{"--address", Address, "--namespace", Namespace}, args...)...)
	var out, problems bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = in, &out, &problems
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", args[0], err, strings.TrimSpace(problems.String()))
	}
	return out.String(), nil
}
