package node

import (
	"errors"
	"fmt"
	"log"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// routeProtocol marks our routes, so that those of others are never touched.
	routeProtocol = 77
	// The route for pods of no node is worse than any other, so that it counts last.
	worstPriority = 9999
)

// ensureRoutes makes the routes to the other nodes' pods and removes those of nodes that are gone.
func ensureRoutes(clusterCIDR string, wanted map[string]net.IP) error {
	filter := &netlink.Route{Protocol: routeProtocol, Table: unix.RT_TABLE_MAIN}
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err != nil {
		return err
	}
	present := map[string]net.IP{}
	for i := range have {
		if have[i].Dst == nil {
			continue
		}
		target := have[i].Dst.String()
		if _, keep := wanted[target]; keep || target == clusterCIDR {
			present[target] = have[i].Gw
		} else if err := netlink.RouteDel(&have[i]); err == nil {
			log.Printf("removed the route to %s: its node is gone", target)
		}
	}
	// Packets for pods of a node that is gone must not leave by the default route.
	_, everything, err := net.ParseCIDR(clusterCIDR)
	if err != nil {
		return err
	}
	problems := []error{netlink.RouteReplace(&netlink.Route{
		Dst: everything, Type: unix.RTN_UNREACHABLE, Priority: worstPriority, Protocol: routeProtocol,
	})}
	for target, gateway := range wanted {
		if gateway.Equal(present[target]) {
			continue
		}
		_, network, err := net.ParseCIDR(target)
		if err == nil {
			err = netlink.RouteReplace(&netlink.Route{Dst: network, Gw: gateway, Protocol: routeProtocol})
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("route to %s via %s (nodes must be in one network): %w", target, gateway, err))
		} else {
			log.Printf("pods in %s are reached via %s", target, gateway)
		}
	}
	return errors.Join(problems...)
}
