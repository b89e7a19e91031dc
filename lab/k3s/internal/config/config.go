// Package config reads what a node is told to be, in k3s's own words: config.yaml, config.yaml.d/*.yaml,
// flags and environment variables.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Config is the whole configuration of a node with defaults filled in.
type Config struct {
	Role    Role
	DataDir string
	Verbose string // level for the -v of every component
	VModule string

	NodeName   string
	NodeIP     string
	NodeLabels []string
	NodeTaints []Taint

	Token      string // as given: a secret, a full K10 token, or "" for one the server makes
	AgentToken string
	ServerURL  string // the server to join; a server without one makes or keeps a cluster

	BindAddress      string
	AdvertiseAddress string
	Port             int
	TLSNames         []string
	ClusterCIDR      string
	ServiceCIDR      string
	NodePorts        string
	ClusterDNS       string
	ClusterDomain    string

	KubeconfigPath  string
	KubeconfigMode  os.FileMode
	KubeconfigGroup string

	PauseImage       string
	Snapshotter      string
	DefaultRuntime   string
	ResolvConf       string
	LoadBalancerPort int

	ProtectKernel        bool
	WithoutScheduler     bool
	WithoutProxy         bool
	WithoutNetworkPolicy bool
	WithoutCoreDNS       bool
	WithoutRuntimes      bool
	ClusterInit          bool

	KubeletArgs    []string
	ProxyArgs      []string
	APIServerArgs  []string
	ControllerArgs []string
	SchedulerArgs  []string

	// Notes are settings that were accepted without an effect, one sentence each.
	Notes []string
}

// Images and addresses as k3s has them.
const (
	PauseImage = "docker.io/rancher/mirrored-pause:3.6"
	dataDir    = "/var/lib/rancher/k3s"
	kubeconfig = "/etc/rancher/k3s/k3s.yaml"
)

// packaged are the names that `disable` takes; this program deploys coredns and runtimes only.
var packaged = []string{"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"}

var nodeNamePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// Load reads the configuration of a node. The error names every problem with its file and line.
func Load(role Role, args []string) (*Config, error) {
	all, err := collect(role, args, os.Getenv)
	if err != nil {
		return nil, err
	}
	return build(role, all)
}

// builder turns given values into a Config and gathers what is wrong with them.
type builder struct {
	all      values
	problems []error
}

func (b *builder) fail(name, format string, args ...any) {
	at := "configuration"
	if one, ok := b.all[name]; ok {
		at = one.from
	}
	b.problems = append(b.problems, fmt.Errorf("%s: %s %s", at, name, fmt.Sprintf(format, args...)))
}

func (b *builder) text(name, fallback string) string {
	if items := b.all[name].items; len(items) > 0 && items[0] != "" {
		return items[0]
	}
	return fallback
}

func (b *builder) flag(name string) bool {
	on, _ := strconv.ParseBool(strings.Join(b.all[name].items, ""))
	return on
}

// list splits commas as k3s does, except in arguments for components, which may hold commas themselves.
func (b *builder) list(name string) []string {
	var items []string
	for _, item := range b.all[name].items {
		if strings.HasSuffix(name, "-arg") {
			items = append(items, item)
			continue
		}
		for _, part := range strings.Split(item, ",") {
			if part = strings.TrimSpace(part); part != "" {
				items = append(items, part)
			}
		}
	}
	return items
}

func build(role Role, all values) (*Config, error) {
	b := &builder{all: all}
	c := &Config{
		Role:                 role,
		DataDir:              b.text("data-dir", dataDir),
		Verbose:              b.verbosity(),
		VModule:              b.text("vmodule", ""),
		NodeName:             b.nodeName(),
		NodeIP:               b.nodeIP(),
		NodeLabels:           b.labels(),
		NodeTaints:           b.taints(),
		Token:                b.secret("token"),
		AgentToken:           b.secret("agent-token"),
		ServerURL:            b.serverURL(role),
		BindAddress:          b.address("bind-address", "0.0.0.0"),
		Port:                 b.port("https-listen-port", 6443),
		TLSNames:             b.list("tls-san"),
		ClusterCIDR:          b.cidr("cluster-cidr", "10.42.0.0/16"),
		ServiceCIDR:          b.cidr("service-cidr", "10.43.0.0/16"),
		NodePorts:            b.nodePorts(),
		ClusterDomain:        b.text("cluster-domain", "cluster.local"),
		KubeconfigPath:       b.text("write-kubeconfig", kubeconfig),
		KubeconfigMode:       b.mode("write-kubeconfig-mode", 0o600),
		KubeconfigGroup:      b.text("write-kubeconfig-group", ""),
		PauseImage:           b.text("pause-image", PauseImage),
		Snapshotter:          b.text("snapshotter", "overlayfs"),
		DefaultRuntime:       b.text("default-runtime", ""),
		ResolvConf:           b.text("resolv-conf", ""),
		LoadBalancerPort:     b.port("lb-server-port", 6444),
		ProtectKernel:        b.flag("protect-kernel-defaults"),
		WithoutScheduler:     b.flag("disable-scheduler"),
		WithoutProxy:         b.flag("disable-kube-proxy"),
		WithoutNetworkPolicy: b.flag("disable-network-policy"),
		WithoutCoreDNS:       slices.Contains(b.list("disable"), "coredns"),
		WithoutRuntimes:      slices.Contains(b.list("disable"), "runtimes"),
		ClusterInit:          b.flag("cluster-init"),
		KubeletArgs:          b.list("kubelet-arg"),
		ProxyArgs:            b.list("kube-proxy-arg"),
		APIServerArgs:        b.list("kube-apiserver-arg"),
		ControllerArgs:       b.list("kube-controller-manager-arg"),
		SchedulerArgs:        b.list("kube-scheduler-arg"),
	}
	c.AdvertiseAddress = b.address("advertise-address", c.NodeIP)
	c.ClusterDNS = b.dns(c.ServiceCIDR)
	b.network(c)
	b.disabled()
	b.choice("flannel-backend", "vxlan", "host-gw")
	if c.ServerURL != "" && c.Token == "" {
		b.fail("token", "is missing: who joins a server needs its token, found there in %s/server/node-token", dataDir)
	}
	for _, name := range sorted(all) {
		if reason := find(name).ignored; reason != "" {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s has no effect: %s", all[name].from, name, reason))
		}
	}
	return c, errors.Join(b.problems...)
}

func (b *builder) verbosity() string {
	level := b.text("v", "0")
	if _, err := strconv.Atoi(level); err != nil {
		b.fail("v", "must be a number, not %q", level)
	}
	if b.flag("debug") && level == "0" {
		return "4"
	}
	return level
}

func (b *builder) nodeName() string {
	host, _ := os.Hostname()
	name := strings.ToLower(b.text("node-name", host))
	if !nodeNamePattern.MatchString(name) {
		b.fail("node-name", "must be letters, digits, dots and dashes, not %q", name)
	}
	return name
}

func (b *builder) nodeIP() string {
	addresses := b.list("node-ip")
	if len(addresses) == 0 {
		address, err := defaultAddress()
		if err != nil {
			b.fail("node-ip", "is missing and cannot be guessed: %v", err)
		}
		return address
	}
	if len(addresses) > 1 {
		b.fail("node-ip", "must be one address: dual-stack is not supported by this stand-in for k3s")
	}
	return b.address("node-ip", "")
}

// defaultAddress is the node's address on the way to other networks, or its first one where there is no such way.
func defaultAddress() (string, error) {
	if route, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		defer route.Close()
		return route.LocalAddr().(*net.UDPAddr).IP.String(), nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", errors.New("this machine has no IPv4 address")
}

// secret returns the content of NAME or of the file that NAME-file names.
func (b *builder) secret(name string) string {
	if direct := b.text(name, ""); direct != "" {
		return strings.TrimSpace(direct)
	}
	path := b.text(name+"-file", "")
	if path == "" {
		return ""
	}
	content, err := os.ReadFile(path)
	if err != nil {
		b.fail(name+"-file", "cannot be read: %v", err)
	} else if len(strings.TrimSpace(string(content))) == 0 {
		b.fail(name+"-file", "names %s, which is empty", path)
	}
	return strings.TrimSpace(string(content))
}

func (b *builder) serverURL(role Role) string {
	given := b.text("server", "")
	if given == "" {
		if role == Agent {
			b.fail("server", "is missing: an agent needs the server's address, as in https://192.0.2.10:6443")
		}
		return ""
	}
	parsed, err := url.Parse(given)
	if err != nil || parsed.Scheme != "https" || parsed.Host == "" {
		b.fail("server", "must look like https://192.0.2.10:6443, not %q", given)
		return ""
	}
	if parsed.Port() == "" {
		return "https://" + net.JoinHostPort(parsed.Hostname(), "6443")
	}
	return "https://" + parsed.Host
}

func (b *builder) address(name, fallback string) string {
	given := b.text(name, fallback)
	if address, err := netip.ParseAddr(given); given != "" && (err != nil || !address.Is4()) {
		b.fail(name, "must be an IPv4 address, not %q", given)
	}
	return given
}

func (b *builder) port(name string, fallback int) int {
	given := b.text(name, strconv.Itoa(fallback))
	port, err := strconv.Atoi(given)
	if err != nil || port < 1 || port > 65535 {
		b.fail(name, "must be a port number, not %q", given)
	}
	return port
}

func (b *builder) cidr(name, fallback string) string {
	given := strings.Join(b.list(name), ",")
	if given == "" {
		given = fallback
	}
	if prefix, err := netip.ParsePrefix(given); err != nil || !prefix.Addr().Is4() || prefix.Masked() != prefix {
		b.fail(name, "must be one IPv4 network, as in %s, not %q", fallback, given)
	}
	return given
}

// dns is the address of the cluster's name server: the tenth of the service network unless one is given.
func (b *builder) dns(serviceCIDR string) string {
	network, err := netip.ParsePrefix(serviceCIDR)
	if err != nil {
		return ""
	}
	given := strings.Join(b.list("cluster-dns"), ",")
	if given == "" {
		address := network.Addr()
		for range 10 {
			address = address.Next()
		}
		return address.String()
	}
	if address, err := netip.ParseAddr(given); err != nil || !network.Contains(address) {
		b.fail("cluster-dns", "must be one address within service-cidr %s, not %q", serviceCIDR, given)
	}
	return given
}

// network refuses ranges that overlap each other or hold the node's own address.
func (b *builder) network(c *Config) {
	pods, podsErr := netip.ParsePrefix(c.ClusterCIDR)
	services, servicesErr := netip.ParsePrefix(c.ServiceCIDR)
	node, nodeErr := netip.ParseAddr(c.NodeIP)
	if podsErr != nil || servicesErr != nil || nodeErr != nil {
		return
	}
	if pods.Overlaps(services) {
		b.fail("cluster-cidr", "%s overlaps service-cidr %s", pods, services)
	}
	for name, network := range map[string]netip.Prefix{"cluster-cidr": pods, "service-cidr": services} {
		if network.Contains(node) {
			b.fail(name, "%s holds this node's own address %s", network, node)
		}
	}
}

func (b *builder) nodePorts() string {
	given := b.text("service-node-port-range", "30000-32767")
	first, last, _ := strings.Cut(given, "-")
	low, errLow := strconv.Atoi(first)
	high, errHigh := strconv.Atoi(last)
	if errLow != nil || errHigh != nil || low < 1 || high > 65535 || low > high {
		b.fail("service-node-port-range", "must look like 30000-32767, not %q", given)
	}
	return given
}

func (b *builder) mode(name string, fallback os.FileMode) os.FileMode {
	given := b.text(name, "")
	if given == "" {
		return fallback
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(given, "0o"), 8, 32)
	if err != nil || mode > 0o777 {
		b.fail(name, "must be an octal file mode such as \"0600\", not %q", given)
	}
	return os.FileMode(mode)
}

func (b *builder) disabled() {
	for _, item := range b.list("disable") {
		if !slices.Contains(packaged, item) {
			b.fail("disable", "does not know %q; it takes %s", item, strings.Join(packaged, ", "))
		}
	}
}

func (b *builder) choice(name string, choices ...string) {
	if given := b.text(name, choices[0]); !slices.Contains(choices, given) {
		b.fail(name, "%q is not supported by this stand-in for k3s; it takes %s", given, strings.Join(choices, ", "))
	}
}

// Clustered says whether this server's etcd has, or may get, members on other servers.
func (c *Config) Clustered() bool {
	return c.Role == Server && (c.ClusterInit || c.ServerURL != "")
}

// Path joins the data directory and parts of a path below it.
func (c *Config) Path(parts ...string) string {
	return filepath.Join(append([]string{c.DataDir}, parts...)...)
}

// LogArgs are the flags by which every component is told how much to print.
func (c *Config) LogArgs() []string {
	args := []string{"--v=" + c.Verbose}
	if c.VModule != "" {
		args = append(args, "--vmodule="+c.VModule)
	}
	return args
}
