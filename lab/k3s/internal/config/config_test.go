package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// load reads a configuration made of files by name; config.yaml is the main one.
func load(t *testing.T, role Role, files map[string]string, args []string, env map[string]string) (*Config, error) {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args = append([]string{"--config", filepath.Join(directory, "config.yaml")}, args...)
	all, err := collect(role, args, func(name string) string { return env[name] })
	if err != nil {
		return nil, err
	}
	return build(role, all)
}

func mustLoad(t *testing.T, role Role, files map[string]string, args []string, env map[string]string) *Config {
	t.Helper()
	c, err := load(t, role, files, args, env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsOfAServerAreThoseOfK3s(t *testing.T) {
	c := mustLoad(t, Server, map[string]string{"config.yaml": "node-ip: 192.0.2.10\n"}, nil, nil)
	for name, pair := range map[string][2]string{
		"data directory": {c.DataDir, "/var/lib/rancher/k3s"},
		"pods":           {c.ClusterCIDR, "10.42.0.0/16"},
		"services":       {c.ServiceCIDR, "10.43.0.0/16"},
		"name server":    {c.ClusterDNS, "10.43.0.10"},
		"advertised":     {c.AdvertiseAddress, "192.0.2.10"},
		"kubeconfig":     {c.KubeconfigPath, "/etc/rancher/k3s/k3s.yaml"},
		"pause image":    {c.PauseImage, PauseImage},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, not %q", name, pair[0], pair[1])
		}
	}
	if c.KubeconfigMode != 0o600 || c.Port != 6443 {
		t.Errorf("mode %o, port %d", c.KubeconfigMode, c.Port)
	}
}

func TestLaterFilesReplaceListsUnlessTheyAddToThem(t *testing.T) {
	files := map[string]string{
		"config.yaml":          "node-ip: 192.0.2.10\nnode-label: [a=1]\ntls-san: [x]\n",
		"config.yaml.d/1.yaml": "node-label+: [b=2]\ntls-san: [y]\n",
		"config.yaml.d/2.yml":  "node-label+: c=3\n",
	}
	c := mustLoad(t, Server, files, nil, nil)
	if !slices.Equal(c.NodeLabels, []string{"a=1", "b=2", "c=3"}) || !slices.Equal(c.TLSNames, []string{"y"}) {
		t.Errorf("labels %v, names %v", c.NodeLabels, c.TLSNames)
	}
}

func TestFlagsWinOverFilesAndFilesOverTheEnvironment(t *testing.T) {
	files := map[string]string{"config.yaml": "node-ip: 192.0.2.10\nnode-name: from-file\n"}
	env := map[string]string{"K3S_NODE_NAME": "from-env", "K3S_TOKEN": "from-env"}
	c := mustLoad(t, Server, files, nil, env)
	if c.NodeName != "from-file" || c.Token != "from-env" {
		t.Errorf("name %q, token %q", c.NodeName, c.Token)
	}
	if c := mustLoad(t, Server, files, []string{"--node-name=from-flag"}, env); c.NodeName != "from-flag" {
		t.Errorf("name %q", c.NodeName)
	}
}

func TestProblemsNameFileLineAndRemedy(t *testing.T) {
	agent := "node-ip: 192.0.2.11\nserver: https://192.0.2.10\ntoken: secret\n"
	server := "node-ip: 192.0.2.10\n"
	for name, one := range map[string]struct {
		role Role
		text string
		says []string
	}{
		"mistyped key":      {Agent, agent + "node-lable: [a=b]\n", []string{"config.yaml:4", `unknown key "node-lable"`, `"node-label"`}},
		"key of servers":    {Agent, agent + "cluster-cidr: 10.0.0.0/8\n", []string{"config.yaml:4", "servers only"}},
		"no server":         {Agent, "node-ip: 192.0.2.11\ntoken: x\n", []string{"server is missing"}},
		"no token":          {Agent, "node-ip: 192.0.2.11\nserver: https://192.0.2.10\n", []string{"token is missing", "node-token"}},
		"plain http":        {Agent, strings.Replace(agent, "https", "http", 1), []string{"config.yaml:2", "https://"}},
		"no file":           {Agent, agent + "token-file: /nowhere\n", nil}, // the token itself is given
		"missing file":      {Agent, strings.Replace(agent, "token: secret", "token-file: /nowhere", 1), []string{"config.yaml:3", "/nowhere"}},
		"given twice":       {Server, server + "node-ip: 192.0.2.12\n", []string{"config.yaml:2", "already given in line 1"}},
		"overlap":           {Server, server + "cluster-cidr: 10.43.0.0/17\n", []string{"config.yaml:2", "overlaps service-cidr"}},
		"own address":       {Server, server + "cluster-cidr: 192.0.2.0/24\n", []string{"config.yaml:2", "own address 192.0.2.10"}},
		"other datastore":   {Server, server + "datastore-endpoint: mysql://x\n", []string{"config.yaml:2", "not supported", "remove the key"}},
		"no server token":   {Server, server + "server: https://192.0.2.9\n", []string{"token is missing", "node-token"}},
		"unknown component": {Server, server + "disable: [trafik]\n", []string{"config.yaml:2", `"trafik"`, "traefik"}},
		"no truth value":    {Server, server + "cluster-init: maybe\n", []string{"config.yaml:2", "true or false"}},
		"taint":             {Server, server + "node-taint: [a=b]\n", []string{"config.yaml:2", `"a=b"`, "NoSchedule"}},
		"label":             {Server, server + "node-label: [alone]\n", []string{"config.yaml:2", `"alone"`, "KEY=VALUE"}},
		"role label":        {Server, server + "node-label: [node-role.kubernetes.io/x=true]\n", []string{"kubectl label node"}},
		"file mode":         {Server, server + "write-kubeconfig-mode: rw\n", []string{"config.yaml:2", "octal"}},
		"no map":            {Server, "- a\n", []string{"config.yaml:1", "expected keys and values"}},
		"broken YAML":       {Server, "a: [\n", []string{"config.yaml", "line"}},
		"nested":            {Server, server + "node-name: {a: b}\n", []string{"config.yaml:2", "one plain value"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, one.role, map[string]string{"config.yaml": one.text}, nil, nil)
			if one.says == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			for _, words := range one.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
		})
	}
}

func TestServersShareTheirDatabaseWhenAskedTo(t *testing.T) {
	for text, shared := range map[string]bool{
		"": false, "cluster-init: true\n": true, "server: https://192.0.2.9\ntoken: x\n": true,
	} {
		if c := mustLoad(t, Server, map[string]string{"config.yaml": "node-ip: 192.0.2.10\n" + text}, nil, nil); c.Clustered() != shared {
			t.Errorf("%q: %v", text, c.Clustered())
		}
	}
	agent := "node-ip: 192.0.2.11\nserver: https://192.0.2.9\ntoken: x\n"
	if mustLoad(t, Agent, map[string]string{"config.yaml": agent}, nil, nil).Clustered() {
		t.Error("an agent has no database")
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	_, err := load(t, Server, map[string]string{"config.yaml": "node-ip: here\nhttps-listen-port: none\n"}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "node-ip") || !strings.Contains(err.Error(), "https-listen-port") {
		t.Error(err)
	}
}

func TestSettingsWithoutEffectAreNoted(t *testing.T) {
	c := mustLoad(t, Server, map[string]string{"config.yaml": "node-ip: 192.0.2.10\ndisable-helm-controller: true\n"}, nil, nil)
	if len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "config.yaml:2: disable-helm-controller has no effect") {
		t.Error(c.Notes)
	}
}

func TestTaintsAndAllowedLabels(t *testing.T) {
	c := mustLoad(t, Server, map[string]string{"config.yaml": ""}, []string{
		"--node-ip=192.0.2.10", "--node-taint=gpu=yes:NoSchedule,lonely:NoExecute",
		"--node-label=node.kubernetes.io/disk=fast", "--node-label=example.com/a=b",
	}, nil)
	if !slices.Equal(c.NodeTaints, []Taint{{"gpu", "yes", "NoSchedule"}, {"lonely", "", "NoExecute"}}) {
		t.Error(c.NodeTaints)
	}
	if len(c.NodeLabels) != 2 {
		t.Error(c.NodeLabels)
	}
}

func TestCommandLine(t *testing.T) {
	for argument, words := range map[string]string{
		"stray":      `unexpected argument "stray"`,
		"--nodename": `did you mean "node-name"?`,
		"--node-ip":  "needs a value",
	} {
		if _, err := parseArgs(Server, []string{argument}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", argument, err)
		}
	}
}

func TestUsageListsWhatARoleTakes(t *testing.T) {
	if text := Usage(Agent); strings.Contains(text, "--cluster-cidr") || !strings.Contains(text, "--node-label") {
		t.Error(text)
	}
}
