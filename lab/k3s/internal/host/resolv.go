package host

import (
	"net/netip"
	"os"
	"strings"
)

// resolvFiles are the machine's own lists of name servers, the usual one first.
var resolvFiles = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// ResolvConf returns the file with name servers that pods can reach too, or "" when there is none.
func ResolvConf() string {
	for _, path := range resolvFiles {
		content, err := os.ReadFile(path)
		if err == nil && usableFromPods(string(content)) {
			return path
		}
	}
	return ""
}

// usableFromPods says that every name server is one beyond this machine: in a pod, 127.0.0.53 is the pod.
func usableFromPods(content string) bool {
	found := false
	for _, line := range strings.Split(content, "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		address, err := netip.ParseAddr(words[1])
		if err != nil || address.IsLoopback() || address.IsUnspecified() || address.IsMulticast() {
			return false
		}
		found = true
	}
	return found
}
