package node

import (
	"encoding/json"
	"errors"
	"log"
	"net"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"k3s/internal/files"
)

const bridge = "cni0"

func (n *Node) cniDir() string {
	return n.path("etc", "cni", "net.d")
}

// writeCNI tells containerd how to connect pods; a node that got another range of addresses gets a new bridge.
func (n *Node) writeCNI(podCIDR string) error {
	content, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "k3s",
		"plugins": []map[string]any{
			{
				"type":             "bridge",
				"bridge":           bridge,
				"isDefaultGateway": true,
				"hairpinMode":      true,
				"ipMasq":           false,
				"ipam": map[string]any{
					"type": "host-local",
					// Kept over reboots: an address is not given again while others may still send to it.
					"dataDir": n.path("cni"),
					"ranges":  [][]map[string]string{{{"subnet": podCIDR}}},
				},
			},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}, "snat": true},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	changed, err := files.Write(filepath.Join(n.cniDir(), "10-k3s.conflist"), content, 0o600)
	if err != nil || !changed {
		return err
	}
	log.Printf("this node's pods are in %s", podCIDR)
	return dropForeignBridge(podCIDR)
}

// dropForeignBridge removes a bridge that is left from another range.
func dropForeignBridge(podCIDR string) error {
	_, network, err := net.ParseCIDR(podCIDR)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(bridge)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		if !network.Contains(address.IP) {
			log.Printf("removing bridge %s: its address %s is not in %s", bridge, address.IP, podCIDR)
			return netlink.LinkDel(link)
		}
	}
	return nil
}
