package node

import (
	"errors"

	"github.com/coreos/go-iptables/iptables"
)

// The chains that hold our rules.
const (
	natChain     = "K3S-POSTROUTING"
	forwardChain = "K3S-FORWARD"
)

// rules are those of the packet filter that the pod network needs.
type rules struct {
	tables *iptables.IPTables
	pods   string // range of all pods' addresses
}

// newRules empties our chains: the range may be another than at the last start.
func newRules(pods string) (*rules, error) {
	tables, err := iptables.New()
	if err != nil {
		return nil, err
	}
	return &rules{tables, pods}, errors.Join(tables.ClearChain("nat", natChain), tables.ClearChain("filter", forwardChain))
}

// ensure lets traffic of pods be forwarded, and gives it the node's address when it leaves the cluster.
func (r *rules) ensure() error {
	for _, rule := range []struct {
		table, chain string
		spec         []string
	}{
		{"nat", natChain, []string{"-s", r.pods, "-d", r.pods, "-j", "RETURN"}},
		{"nat", natChain, []string{"-s", r.pods, "!", "-d", "224.0.0.0/4", "-j", "MASQUERADE", "--random-fully"}},
		{"nat", "POSTROUTING", []string{"-m", "comment", "--comment", "pods leaving the cluster", "-j", natChain}},
		{"filter", forwardChain, []string{"-s", r.pods, "-j", "ACCEPT"}},
		{"filter", forwardChain, []string{"-d", r.pods, "-j", "ACCEPT"}},
		{"filter", "FORWARD", []string{"-m", "comment", "--comment", "traffic of pods", "-j", forwardChain}},
	} {
		err := r.tables.AppendUnique(rule.table, rule.chain, rule.spec...)
		if err != nil && r.tables.NewChain(rule.table, rule.chain) == nil { // the chain was missing
			err = r.tables.AppendUnique(rule.table, rule.chain, rule.spec...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
