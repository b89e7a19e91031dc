package controlplane

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"k3s/internal/config"
	"k3s/internal/token"
)

func plane(t *testing.T) *Plane {
	t.Helper()
	directory := t.TempDir()
	return New(&config.Config{
		DataDir:          filepath.Join(directory, "data"),
		KubeconfigPath:   filepath.Join(directory, "etc", "k3s.yaml"),
		KubeconfigMode:   0o600,
		NodeName:         "server",
		NodeIP:           "192.0.2.10",
		AdvertiseAddress: "192.0.2.10",
		BindAddress:      "0.0.0.0",
		Port:             6443,
		ServiceCIDR:      "10.43.0.0/16",
		ClusterDNS:       "10.43.0.10",
		ClusterDomain:    "cluster.local",
	}, "/usr/local/bin/k3s")
}

// prepared is a plane that made its files.
func prepared(t *testing.T) *Plane {
	t.Helper()
	p := plane(t)
	if err := p.makeCertificates(); err != nil {
		t.Fatal(err)
	}
	if err := p.makeTokens(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheClustersTokenNamesItsAuthorityAndStays(t *testing.T) {
	p := prepared(t)
	first, err := p.Token()
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(p.tls(serverCA) + ".crt")
	if err != nil {
		t.Fatal(err)
	}
	if first.CAHash != token.Hash(ca) {
		t.Error(first)
	}
	if err := p.makeTokens(); err != nil {
		t.Fatal(err)
	}
	if second, err := p.Token(); err != nil || first != second {
		t.Error(second, err)
	}
}

func TestATokenOtherThanTheClustersIsRefused(t *testing.T) {
	p := prepared(t)
	own, err := p.Token()
	if err != nil {
		t.Fatal(err)
	}
	for given, says := range map[string]string{
		own.String(): "",
		own.Secret:   "",
		"other":      "not the one this cluster has",
		token.Token{CAHash: strings.Repeat("0", 64), User: "server", Secret: own.Secret}.String(): "CA of another cluster",
	} {
		p.config.Token = given
		err := p.makeTokens()
		if (err == nil) != (says == "") || (err != nil && !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestAServerThatJoinedTakesTheTokenThatWasRotated(t *testing.T) {
	p := prepared(t)
	p.config.ServerURL, p.config.Token = "https://192.0.2.10:6443", "another"
	if err := p.makeTokens(); err != nil {
		t.Fatal(err)
	}
	if own, err := p.Token(); err != nil || own.Secret != "another" {
		t.Errorf("its token is %v (%v)", own, err)
	}
}

func TestTheAgentTokenIsAnotherAndMayGoAgain(t *testing.T) {
	p := prepared(t)
	server, err := os.ReadFile(p.path(tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, agents := range []string{"agents-only", ""} {
		p.config.AgentToken = agents
		if err := p.makeTokens(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(p.path(nodeTokenFile))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(content); (agents == "") != (got == string(server)) || !strings.Contains(got, agents) {
			t.Errorf("%q: %q", agents, got)
		}
		if unchanged, err := os.ReadFile(p.path(tokenFile)); err != nil || string(unchanged) != string(server) {
			t.Errorf("the server's token became %q (%v)", unchanged, err)
		}
	}
}

func TestSecretsAreForRootOnly(t *testing.T) {
	p := prepared(t)
	for _, path := range []string{
		p.path(tokenFile), p.adminKubeconfig(), p.config.KubeconfigPath, p.tls(serverCA) + ".key", p.tls(serviceKey),
	} {
		state, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if state.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", path, state.Mode())
		}
	}
}

func TestManifestsHoldTheSettings(t *testing.T) {
	p := plane(t)
	p.config.ResolvConf = "/etc/resolv.conf"
	count := map[string]int{}
	for _, file := range []string{"nodes.yaml", "runtimes.yaml", "coredns.yaml"} {
		objects, err := p.render(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			if object.GetKind() == "" || object.GetName() == "" {
				t.Errorf("%s: %v", file, object)
			}
			count[object.GetKind()]++
			if object.GetKind() == "ConfigMap" {
				corefile := object.Object["data"].(map[string]any)["Corefile"].(string)
				if !strings.Contains(corefile, "kubernetes cluster.local") || !strings.Contains(corefile, "forward .") {
					t.Error(corefile)
				}
			}
			if object.GetKind() == "Service" && object.Object["spec"].(map[string]any)["clusterIP"] != "10.43.0.10" {
				t.Error(object)
			}
		}
	}
	if count["ClusterRoleBinding"] != 3 || count["RuntimeClass"] != 3 || count["Deployment"] != 1 {
		t.Error(count)
	}
}

// database reads what the database's program is told.
func database(t *testing.T, p *Plane, entry *enrolment) map[string]any {
	t.Helper()
	if _, err := p.etcd(entry); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(p.path("db", "etcd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]any
	if err := json.Unmarshal(content, &settings); err != nil {
		t.Fatal(err)
	}
	return settings
}

func TestTheDatabaseOfOneServerIsReachedFromThereOnly(t *testing.T) {
	p := plane(t)
	settings := database(t, p, nil)
	for name, value := range settings {
		if text, ok := value.(string); ok && strings.Contains(text, "192.0.2.10") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if settings["name"] != "server" || slices.Contains(p.databaseHosts(), "192.0.2.10") {
		t.Error(settings, p.databaseHosts())
	}
}

func TestServersFindEachOthersDatabase(t *testing.T) {
	p := plane(t)
	p.config.Role, p.config.ClusterInit = config.Server, true
	settings := database(t, p, nil)
	for name, value := range map[string]string{
		"listen-client-urls":          "https://127.0.0.1:2379,https://192.0.2.10:2379",
		"advertise-client-urls":       "https://192.0.2.10:2379",
		"initial-advertise-peer-urls": "https://192.0.2.10:2380",
	} {
		if settings[name] != value {
			t.Errorf("%s: %v", name, settings[name])
		}
	}
	if !slices.Contains(p.databaseHosts(), "192.0.2.10") || settings["initial-cluster-state"] != nil {
		t.Error(p.databaseHosts(), settings)
	}
	if again := database(t, p, nil); again["name"] != settings["name"] || settings["name"] == "server" {
		t.Error(settings["name"], again["name"])
	}
}

func TestAJoiningMemberIsToldOfTheOthers(t *testing.T) {
	members := []*etcdserverpb.Member{
		{ID: 1, Name: "one-0001", PeerURLs: []string{"https://192.0.2.10:2380"}},
		{ID: 2, PeerURLs: []string{"https://192.0.2.11:2380"}},
	}
	all := initialCluster(members, 2, "two-0002")
	if all != "one-0001=https://192.0.2.10:2380,two-0002=https://192.0.2.11:2380" {
		t.Error(all)
	}
	p := plane(t)
	p.config.Role, p.config.ServerURL = config.Server, "https://192.0.2.10:6443"
	settings := database(t, p, &enrolment{Cluster: all})
	if settings["initial-cluster"] != all || settings["initial-cluster-state"] != "existing" {
		t.Error(settings)
	}
}

func TestOneOfSeveralServersDecidesAtATime(t *testing.T) {
	p := plane(t)
	for _, shared := range []bool{false, true} {
		p.config.Role, p.config.ClusterInit = config.Server, shared
		flag := "--leader-elect=" + strconv.FormatBool(shared)
		if !slices.Contains(p.controllerManager().Args, flag) || !slices.Contains(p.scheduler().Args, flag) {
			t.Errorf("not %s", flag)
		}
	}
}

func TestArgumentsOfTheUserComeLast(t *testing.T) {
	p := plane(t)
	p.config.APIServerArgs = []string{"v=4"}
	args := p.apiServer().Args
	if args[len(args)-1] != "--v=4" || !slices.Contains(args, "--secure-port=6443") || args[0] != "kube-apiserver" {
		t.Error(args)
	}
}
