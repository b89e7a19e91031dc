package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"k3s/internal/config"
)

func settings(t *testing.T, defaultRuntime string, found map[string]Runtime) containerdConfig {
	t.Helper()
	one := containerdConfig{Program: "k3s", ExtraRuntimes: found}
	one.NodeConfig.DefaultRuntime = defaultRuntime
	one.NodeConfig.Containerd.Template = filepath.Join(t.TempDir(), "config.toml.tmpl")
	one.NodeConfig.AgentConfig = agentConfig{PauseImage: config.PauseImage, CNIBinDir: "/usr/lib/cni", CNIConfDir: "/etc/cni"}
	return one
}

func render(t *testing.T, one containerdConfig) (string, error) {
	t.Helper()
	content, err := (&Node{}).renderContainerd(one)
	return string(content), err
}

func TestARuntimeThatIsInstalledIsConfigured(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/bin/nvidia-container-runtime"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	found := findRuntimes(root)
	text, err := render(t, settings(t, "nvidia", found))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`default_runtime_name = "nvidia"`, `BinaryName = "/usr/bin/nvidia-container-runtime"`, `bin_dir = "/usr/lib/cni"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
}

func TestADefaultRuntimeThatIsMissingIsRefused(t *testing.T) {
	if _, err := render(t, settings(t, "nvidia", nil)); err == nil || !strings.Contains(err.Error(), "nvidia is not installed") {
		t.Error(err)
	}
}

func TestATemplateOfTheUserMayBuildOnOurs(t *testing.T) {
	one := settings(t, "own", nil)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(one.NodeConfig.Containerd.Template, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("{{ template \"base\" . }}\n# dns {{ .NodeConfig.AgentConfig.CNIConfDir }}\n")
	text, err := render(t, one)
	if err != nil || !strings.Contains(text, config.PauseImage) || !strings.HasSuffix(text, "# dns /etc/cni\n") {
		t.Error(text, err)
	}
	write("{{ .Nothing }}")
	if _, err := render(t, one); err == nil || !strings.Contains(err.Error(), "config.toml.tmpl") {
		t.Error(err)
	}
}

func TestNamesOfImportedImages(t *testing.T) {
	out := "unpacking docker.io/library/a:1 (sha256:0)...done\nother line\nunpacking b (sha256:1)...done\n"
	if names := importedNames(out); strings.Join(names, " ") != "docker.io/library/a:1 b" {
		t.Error(names)
	}
}

func TestArchivesAreKnownByTheirEnding(t *testing.T) {
	for name, known := range map[string]bool{"a.tar": true, "a.tar.gz": true, "a.tar.zst": true, "a.txt": false, "a": false} {
		if (opener(name) != nil) != known {
			t.Errorf("%s: not %v", name, known)
		}
	}
}

// images is a containerd that holds one image of each kind.
type images struct{ cri.ImageServiceClient }

func (images) ListImages(context.Context, *cri.ListImagesRequest, ...grpc.CallOption) (*cri.ListImagesResponse, error) {
	return &cri.ListImagesResponse{Images: []*cri.Image{
		{Id: "sha256:1", RepoTags: []string{"docker.io/library/kept:1"}},
		{Id: "sha256:2", RepoTags: []string{"docker.io/library/other:1"}},
		{Id: "sha256:3", Pinned: true},
	}}, nil
}

func TestTheKubeletLearnsWhichImagesArePinned(t *testing.T) {
	service := &pinnedImages{next: images{}, pinned: func(context.Context) (string, error) {
		return "docker.io/library/kept:1\nsha256:1\n", nil
	}}
	out, err := service.ListImages(context.Background(), &cri.ListImagesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i, pinned := range []bool{true, false, true} {
		if out.Images[i].Pinned != pinned {
			t.Errorf("%s: not %v", out.Images[i].Id, pinned)
		}
	}
}

func TestNothingIsListedWhenPinsAreNotKnown(t *testing.T) {
	service := &pinnedImages{next: images{}, pinned: func(context.Context) (string, error) {
		return "", errors.New("no containerd")
	}}
	if _, err := service.ListImages(context.Background(), &cri.ListImagesRequest{}); err == nil {
		t.Error("listed")
	}
}
