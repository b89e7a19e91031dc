package config

import (
	"slices"
	"strings"
)

// Taint keeps pods off a node; its fields are named as the kubelet's configuration names them.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

var effects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

// A node may give itself these labels of Kubernetes' own, and any below the two prefixes.
var (
	ownLabels = []string{
		"kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os",
		"beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os",
		"failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
		"topology.kubernetes.io/region", "topology.kubernetes.io/zone",
	}
	ownPrefixes = []string{"kubelet.kubernetes.io", "node.kubernetes.io"}
)

// taints reads items such as dedicated=gpu:NoSchedule.
func (b *builder) taints() []Taint {
	taints := []Taint{}
	for _, item := range b.list("node-taint") {
		named, effect, _ := strings.Cut(item, ":")
		key, value, _ := strings.Cut(named, "=")
		if key == "" || !slices.Contains(effects, effect) {
			b.fail("node-taint", "%q must look like KEY=VALUE:EFFECT, with an effect of %s", item, strings.Join(effects, ", "))
			continue
		}
		taints = append(taints, Taint{key, value, effect})
	}
	return taints
}

// labels reads items such as disk=fast. The kubelet would refuse labels that only an administrator may give.
func (b *builder) labels() []string {
	labels := b.list("node-label")
	for _, item := range labels {
		key, _, found := strings.Cut(item, "=")
		if !found || key == "" {
			b.fail("node-label", "%q must look like KEY=VALUE", item)
		} else if !selfGiven(key) {
			b.fail("node-label", "%s cannot be set by a node itself; use `kubectl label node`", key)
		}
	}
	return labels
}

func selfGiven(key string) bool {
	prefix, _, found := strings.Cut(key, "/")
	if !found || !belowAny(prefix, []string{"kubernetes.io", "k8s.io"}) {
		return true
	}
	return slices.Contains(ownLabels, key) || belowAny(prefix, ownPrefixes)
}

func belowAny(name string, domains []string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool {
		return name == domain || strings.HasSuffix(name, "."+domain)
	})
}
